// SPDX-License-Identifier: GPL-2.0-only

//! The Debian root that holds the tools: compiler, kernel build dependencies, QEMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use crate::host::cache::{self, Cache};
use crate::host::chroot::{self, Chroot};
use crate::host::privilege::{self, Privilege};
use crate::host::progress::{step, Step};

const SUITE: &str = "trixie";
/// Version of the steps that make the root; raising it makes new roots.
const RECIPE: &str = "1";
/// Packages of the root; Debian's backport kernels are built with its compilers.
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

/// A complete Debian root in the cache.
pub struct Root {
    dir: PathBuf,
    privilege: Privilege,
    key: String,
}

impl Root {
    /// Returns the root in the cache, and makes it first if it does not exist.
    pub fn get(cache: &Cache) -> Result<Self> {
        let privilege = privilege::get()?;
        let packages = PACKAGES.join(",");
        let mut made_from = vec![SUITE, RECIPE, &packages];
        // The owners of the files are ids of the user namespace.
        made_from.extend((privilege == Privilege::UserNamespace).then_some("user namespace"));
        let key = cache::key(&made_from);
        let dir = cache.entry(&format!("root-{key}"), |dir| {
            step(
                "tool root: mmdebstrap",
                cache.log("root-mmdebstrap"),
                |step| {
                    let mmdebstrap = mmdebstrap(step, cache, privilege)?;
                    bootstrap(step, &mmdebstrap, privilege, dir)
                },
            )?;
            step(
                "tool root: backports",
                cache.log("root-backports"),
                |step| add_backports(step, &Chroot::new(dir, privilege), dir),
            )
        })?;
        Ok(Self {
            dir,
            privilege,
            key,
        })
    }

    /// Returns a hash of what the root was made from, for keys of entries that depend on it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns a [`Chroot`] that runs programs in the root.
    pub fn chroot(&self) -> Chroot {
        Chroot::new(&self.dir, self.privilege)
    }

    /// Returns the path on the host of the file `path` in the root.
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

/// The program that makes Debian roots.
struct Mmdebstrap {
    program: PathBuf,
    /// The directory of Debian's keys, if it is not apt's default.
    keyrings: Option<PathBuf>,
}

/// Returns the machine's mmdebstrap, else one that is installed (by root) or unpacked in the cache.
fn mmdebstrap(step: &Step, cache: &Cache, privilege: Privilege) -> Result<Mmdebstrap> {
    let installed = Mmdebstrap {
        program: PathBuf::from("mmdebstrap"),
        keyrings: None,
    };
    if Command::new(&installed.program)
        .arg("--version")
        .output()
        .is_ok()
    {
        return Ok(installed);
    }
    ensure!(
        Path::new("/usr/bin/apt-get").exists(),
        "mmdebstrap is not installed, and this machine has no apt-get to install it: install mmdebstrap and its keyring debian-archive-keyring by hand"
    );
    // Other distributions than Debian may lack the keys that Debian's signatures are checked with.
    let packages = ["mmdebstrap", "debian-archive-keyring"];
    if privilege == Privilege::UserNamespace {
        let dir = cache.entry("mmdebstrap", |dir| {
            let script = r#"
                cd "$1"
                shift
                apt-get download "$@"
                for package in *.deb; do dpkg-deb -x "$package" .; done
            "#;
            step.run(
                Command::new("sh")
                    .args(["-ec", script, "fetch"])
                    .arg(dir)
                    .args(packages),
            )
            .context("mmdebstrap is not installed, and apt-get cannot download it: install the package mmdebstrap")
        })?;
        return Ok(Mmdebstrap {
            program: dir.join("usr/bin/mmdebstrap"),
            keyrings: Some(dir.join("usr/share/keyrings")),
        });
    }
    let apt = || chroot::host_root_command(privilege, "apt-get");
    step.run(apt().arg("update"))?;
    step.run(
        apt()
            .args(["install", "--yes", "--no-install-recommends", "gpg"])
            .args(packages),
    )?;
    Ok(installed)
}

fn bootstrap(step: &Step, tool: &Mmdebstrap, privilege: Privilege, dir: &Path) -> Result<()> {
    let keyrings = tool.keyrings.iter();
    step.run(
        chroot::host_root_command(privilege, &tool.program.to_string_lossy())
            .args(keyrings.map(|dir| format!("--keyring={}", dir.display())))
            .args(["--mode=root", "--variant=minbase"])
            .arg("--dpkgopt=path-exclude=/usr/share/man/*")
            .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
            .arg(format!("--include={}", PACKAGES.join(",")))
            .arg(SUITE)
            .arg(dir),
    )
}

/// Adds the backports of the mirror that the root itself was made from.
fn add_backports(step: &Step, chroot: &Chroot, dir: &Path) -> Result<()> {
    let sources = fs::read_to_string(dir.join("etc/apt/sources.list"))
        .context("the new root has no etc/apt/sources.list")?;
    let line = backports_line(&sources)?;
    let write = format!("echo '{line}' > /{BACKPORTS_LIST}");
    step.run(chroot.root_command("sh").args(["-c", &write]))?;
    update_lists(step, chroot)
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
