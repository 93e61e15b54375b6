// SPDX-License-Identifier: GPL-2.0-only

//! The Debian root that holds the tools: compiler, kernel build dependencies, QEMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use crate::host::cache::{self, Cache};
use crate::host::chroot::{self, Chroot};
use crate::host::progress::{step, Step};

const SUITE: &str = "trixie";
/// Raised when the way the root is made changes, so that older ones are not used.
const RECIPE: &str = "1";
/// Debian's backport kernels were built with the compilers among these.
const PACKAGES: &[&str] = &[
    "bc",
    "bindgen",
    "bison",
    "build-essential",
    "busybox-static",
    "ca-certificates",
    "cargo",
    "clang",
    "cpio",
    "dwarves",
    "flex",
    "kmod",
    "libdw-dev",
    "libelf-dev",
    "libssl-dev",
    "lld",
    "llvm",
    "python3",
    "qemu-system-x86",
    "rsync",
    "rust-clippy",
    "rust-src",
    "rustc",
    "rustfmt",
    "xz-utils",
    "zstd",
];
const BACKPORTS_LIST: &str = "etc/apt/sources.list.d/backports.list";

/// The root, ready to use.
pub struct Root {
    dir: PathBuf,
    key: String,
}

impl Root {
    /// The root in the cache, made first if it is not there.
    pub fn get(cache: &Cache) -> Result<Self> {
        let key = cache::key(&[SUITE, RECIPE, &PACKAGES.join(",")]);
        let dir = cache.entry(&format!("root-{key}"), |dir| {
            step(
                "tool root: mmdebstrap",
                cache.log("root-mmdebstrap"),
                |step| {
                    install_mmdebstrap(step)?;
                    bootstrap(step, dir)
                },
            )?;
            step(
                "tool root: backports",
                cache.log("root-backports"),
                |step| add_backports(step, dir),
            )
        })?;
        Ok(Self { dir, key })
    }

    /// Tells this root from one made in another way.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A way to run programs in it.
    pub fn chroot(&self) -> Chroot {
        Chroot::new(&self.dir)
    }

    /// The path outside of the file that is `path` inside.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.dir.join(path.trim_start_matches('/'))
    }

    /// Fetches the current package lists.
    pub fn update_lists(&self, step: &Step) -> Result<()> {
        update_lists(step, &self.chroot())
    }
}

fn update_lists(step: &Step, chroot: &Chroot) -> Result<()> {
    step.run(
        chroot
            .root_command("apt-get")
            .args(["--error-on=any", "update"]),
    )
}

fn install_mmdebstrap(step: &Step) -> Result<()> {
    if Command::new("mmdebstrap").arg("--version").output().is_ok() {
        return Ok(());
    }
    ensure!(
        Path::new("/usr/bin/apt-get").exists(),
        "mmdebstrap is not installed, and there is no apt-get to install it with: install mmdebstrap by hand"
    );
    step.run(chroot::host_root_command("apt-get").arg("update"))?;
    step.run(chroot::host_root_command("apt-get").args([
        "install",
        "--yes",
        "--no-install-recommends",
        "mmdebstrap",
        // What it checks Debian's signatures with, also on distributions that are not Debian.
        "debian-archive-keyring",
        "gpg",
    ]))
}

fn bootstrap(step: &Step, dir: &Path) -> Result<()> {
    step.run(
        chroot::host_root_command("mmdebstrap")
            .args(["--mode=root", "--variant=minbase"])
            .arg("--dpkgopt=path-exclude=/usr/share/man/*")
            .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
            .arg(format!("--include={}", PACKAGES.join(",")))
            .arg(SUITE)
            .arg(dir),
    )
}

/// Adds the backports of the mirror that the root itself was made from.
fn add_backports(step: &Step, dir: &Path) -> Result<()> {
    let sources = fs::read_to_string(dir.join("etc/apt/sources.list"))
        .context("the new root has no etc/apt/sources.list")?;
    let line = backports_line(&sources)?;
    let chroot = Chroot::new(dir);
    let write = format!("echo '{line}' > /{BACKPORTS_LIST}");
    step.run(chroot.root_command("sh").args(["-c", &write]))?;
    update_lists(step, &chroot)
}

fn backports_line(sources: &str) -> Result<String> {
    let suite = format!(" {SUITE} ");
    let Some(line) = sources
        .lines()
        .find(|line| line.starts_with("deb ") && line.contains(&suite))
    else {
        bail!("no line \"deb … {SUITE} …\" in the root's sources.list, which has:\n{sources}");
    };
    Ok(line.replace(&suite, &format!(" {SUITE}-backports ")))
}

#[cfg(test)]
mod tests {
    use super::backports_line;

    #[test]
    fn backports_come_from_the_same_mirror() {
        let sources = "deb http://mirror.invalid/debian trixie main\n\
                       deb http://mirror.invalid/debian trixie-updates main\n";
        assert_eq!(
            backports_line(sources).unwrap(),
            "deb http://mirror.invalid/debian trixie-backports main"
        );
        assert!(backports_line("deb http://mirror.invalid/debian sid main\n").is_err());
    }
}
