// SPDX-License-Identifier: GPL-2.0-only

//! A stock Debian kernel and a build tree that fits it: all files that are needed to build Rust modules for
//! it and to boot it.
//!
//! Debian's header packages carry no Rust metadata. The same compiler rebuilds it bit-compatibly from the
//! matching source, after which the headers' symbol list and release stand in for the rebuilt kernel's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::host::cache;
use crate::host::chroot::Chroot;
use crate::host::progress::{step, Step};
use crate::host::root::Root;
use crate::host::workspace::Workspace;
use crate::kernels::release::{self, KernelRequest, Release};
use crate::kernels::source;
use crate::kernels::supported::{Standing, Supported};

/// Version of the steps that make an entry; raising it makes new entries.
const RECIPE: &str = "2";
/// Modules of the stock kernel that the guest may load (swap for the tests).
const GUEST_MODULES: &[&str] = &["zram"];
/// Path of an entry inside the root. It is constant because build trees hold absolute paths.
const INSIDE: &str = "/mnt/kernel";

/// A stock kernel in the cache.
pub struct StockKernel {
    dir: PathBuf,
    source: PathBuf,
    /// The release of the kernel.
    pub release: Release,
    /// Whether the table of supported kernels has the series.
    pub standing: Standing,
}

impl StockKernel {
    /// Returns the kernel for `requested`, and makes it first if it is not in the cache. Prints a note about the
    /// choice if there is one.
    pub fn get(workspace: &Workspace, requested: Option<&str>) -> Result<Self> {
        let supported = Supported::load()?;
        let requested = KernelRequest::parse(requested, &supported);
        let release = choose(workspace, &supported, &requested)?;
        if let Some(remark) = release::remark(&release, &supported, &requested) {
            eprintln!("{remark}");
        }
        let source = source::get(workspace, &release)?;
        let entry = entry_name(workspace.root()?, &release);
        let dir = workspace
            .cache
            .entry(&entry, |dir| make(workspace, &release, &source, dir))?;
        Ok(Self {
            dir,
            source,
            standing: supported.standing(&release.series()),
            release,
        })
    }

    /// Returns a key that differs between build trees that were made from different inputs.
    pub fn key(&self) -> String {
        self.dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Returns the root with this kernel and its source bound into it.
    pub fn chroot(&self, root: &Root) -> Chroot {
        root.chroot()
            .bind_read_only(&self.dir, "kernel")
            .bind_read_only(&self.source, "source")
    }

    /// Returns the path of the build tree, as seen in [`Self::chroot`].
    pub fn build_tree(&self) -> String {
        format!("{INSIDE}/build")
    }

    /// Returns the path of the bootable image, as seen in [`Self::chroot`].
    pub fn image(&self) -> String {
        format!("{INSIDE}/vmlinuz")
    }

    /// Returns the stock modules for the guest, in load order.
    pub fn guest_modules(&self) -> Result<Vec<PathBuf>> {
        let dir = self.dir.join("modules");
        let order = fs::read_to_string(dir.join("order"))?;
        Ok(order.lines().map(|name| dir.join(name)).collect())
    }
}

/// Chooses the release for `requested`. The choice is remembered, so that later runs need no network and build for the
/// same kernel.
fn choose(
    workspace: &Workspace,
    supported: &Supported,
    requested: &KernelRequest,
) -> Result<Release> {
    let cache = &workspace.cache;
    let root = workspace.root()?;
    let key = cache::key(&[root.key(), &supported.names(), &supported.default_flavour]);
    let chosen = cache.file(&format!("chosen-{key}-{}", requested.key()));
    let remembered = fs::read_to_string(&chosen).ok().and_then(|text| {
        let (name, version) = text.trim().split_once(' ')?;
        Some(Release {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    });
    match remembered {
        Some(release) if cache.file(&entry_name(root, &release)).exists() => Ok(release),
        _ => {
            // apt fails if another apt runs.
            let _one_at_a_time = cache.lock("choice", "the choice of a kernel")?;
            let offered = step("kernel: choice", cache.log("kernel-choice"), |step| {
                root.update_lists(step)?;
                release::offered(step, root)
            })?;
            let release = release::pick(&offered, supported, requested)?;
            let line = format!("{} {}\n", release.name, release.version);
            cache::replace_file(&chosen, &line)?;
            Ok(release)
        }
    }
}

fn entry_name(root: &Root, release: &Release) -> String {
    let key = cache::key(&[root.key(), &release.name, &release.version, RECIPE]);
    format!("kernel-{}-{key}", release.name)
}

fn make(workspace: &Workspace, release: &Release, source: &Path, dir: &Path) -> Result<()> {
    let name = &release.name;
    let cache = &workspace.cache;
    let chroot = workspace
        .root()?
        .chroot()
        .bind(dir, "kernel")
        .bind_read_only(source, "source");
    let title = |what| format!("kernel {name}: {what}");
    step(&title("packages"), cache.log("kernel-packages"), |step| {
        fetch(step, &chroot, release)
    })?;
    step(
        &title("image and headers"),
        cache.log("kernel-image"),
        |step| unpack_image(step, &chroot, release, dir),
    )?;
    step(
        &title("build tree with Rust metadata"),
        cache.log("kernel-build-tree"),
        |step| prepare_build_tree(step, &chroot, release, dir),
    )
}

/// Downloads the packages of the image (and what it depends on in the same version) and of the headers.
fn fetch(step: &Step, chroot: &Chroot, release: &Release) -> Result<()> {
    let version = &release.version;
    let image = format!("linux-image-{}", release.name);
    let mut packages = vec![format!("linux-headers-{}", release.name), image.clone()];
    // An image package may be a meta-package that only depends on the packages with the files.
    let mut unread = vec![image];
    while let Some(package) = unread.pop() {
        let about = step.output(chroot.command("apt-cache").args([
            "show",
            "--no-all-versions",
            &format!("{package}={version}"),
        ]))?;
        for needed in same_version_dependencies(&about, version) {
            if !packages.contains(&needed) {
                packages.push(needed.clone());
                unread.push(needed);
            }
        }
    }
    let exact = packages
        .iter()
        .map(|package| format!("{package}={version}"));
    let script =
        format!("mkdir {INSIDE}/packages && cd {INSIDE}/packages && exec apt-get download \"$@\"");
    step.run(
        chroot
            .command("sh")
            .args(["-ec", &script, "fetch"])
            .args(exact),
    )
}

/// Returns the packages that the package in `about` (from `apt-cache show`) depends on in exactly `version`.
fn same_version_dependencies(about: &str, version: &str) -> Vec<String> {
    let exact = format!("(= {version})");
    about
        .lines()
        .filter_map(|line| line.strip_prefix("Depends:"))
        .flat_map(|depends| depends.split(','))
        .filter(|needed| needed.contains(&exact))
        .filter_map(|needed| needed.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Extracts the image, its configuration and the guest's modules from their packages.
fn unpack_image(step: &Step, chroot: &Chroot, release: &Release, dir: &Path) -> Result<()> {
    let name = &release.name;
    let script = r#"
        cd "$1"
        mkdir image headers modules
        for package in packages/linux-headers-*.deb; do dpkg-deb -x "$package" headers; done
        for package in packages/*.deb; do
            case $package in
                */linux-headers-*) ;;
                *) dpkg-deb -x "$package" image ;;
            esac
        done
        find_one() { find image -type f \( -name "$1" -o -name "$1-$release" \) | head -n 1; }
        release=$2
        cp "$(find_one vmlinuz)" vmlinuz
        cp "$(find_one config)" config
        # Some packages use /lib/modules, some /usr/lib/modules.
        base=image; [ -d image/lib/modules ] || base=image/usr
        depmod -b "$base" "$release"
        shift 2
        for module; do
            modprobe -d "$base" -S "$release" --show-depends "$module"
        done | sed -n 's/^insmod //p' | while read -r file _; do
            short=$(basename "$file" | sed 's/\.ko.*/.ko/')
            case $file in
                *.xz) xz -dc "$file" ;;
                *.zst) zstd -dc "$file" ;;
                *) cat "$file" ;;
            esac > "modules/$short"
            echo "$short" >> modules/order
        done
        rm -r image packages
    "#;
    step.run(
        chroot
            .command("sh")
            .args(["-ec", script, "unpack", INSIDE, name])
            .args(GUEST_MODULES),
    )?;
    ensure!(
        dir.join("modules/order").exists(),
        "the kernel's packages hold none of the modules {GUEST_MODULES:?}"
    );
    Ok(())
}

fn prepare_build_tree(step: &Step, chroot: &Chroot, release: &Release, dir: &Path) -> Result<()> {
    let build = dir.join("build");
    fs::create_dir(&build)?;
    fs::copy(dir.join("config"), build.join(".config"))
        .context("cannot copy the kernel's configuration")?;
    let jobs = std::thread::available_parallelism()?;
    for target in ["olddefconfig", "modules_prepare"] {
        step.run(
            chroot
                .command("make")
                .args(["-C", source::INSIDE, &format!("O={INSIDE}/build")])
                .arg(format!("-j{jobs}"))
                .arg(target),
        )?;
    }
    ensure!(
        build.join("rust/libkernel.rmeta").exists(),
        "modules_prepare made no rust/libkernel.rmeta: the kernel {} has no CONFIG_RUST, or the tools do not fit it (make rustavailable)",
        release.name
    );
    let headers = dir
        .join("headers/usr/src")
        .join(format!("linux-headers-{}", release.name));
    for file in [
        "Module.symvers",
        "include/config/kernel.release",
        "include/generated/utsrelease.h",
    ] {
        fs::copy(headers.join(file), build.join(file))
            .with_context(|| format!("cannot copy {file} from the headers package"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::same_version_dependencies;

    #[test]
    fn only_parts_of_the_same_kernel_are_followed() {
        let about = "Package: linux-image-1\n\
                     Depends: dracut | initramfs-tools (>= 0.120), linux-base-1 (= 9.2-1), linux-binary-1 (= 9.2-1)\n\
                     Pre-Depends: linux-base (>= 4.17~)\n";
        assert_eq!(
            same_version_dependencies(about, "9.2-1"),
            ["linux-base-1", "linux-binary-1"]
        );
    }
}
