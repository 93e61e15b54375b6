// SPDX-License-Identifier: GPL-2.0-only

//! The guest's initramfs: a base made from the tool root, which is cached, and an archive of this checkout's files,
//! which is made for each run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::guest::archive::Archive;
use crate::host::cache;
use crate::host::progress::{step, Step};
use crate::host::project::Project;
use crate::host::root::Root;
use crate::host::workspace::Workspace;

/// Version of the steps that make the base; raising it makes a new base.
const RECIPE: &str = "1";
const BUSYBOX: &str = "/usr/bin/busybox";
/// Dynamically linked programs of the guest, in addition to those of coreutils.
const PROGRAMS: &[&str] = &["/usr/bin/bash", "/usr/bin/unshare", "/usr/bin/nsenter"];

/// Writes the initramfs to `path`: the base, the guest's scripts, and for each pair in `files_in` a directory with its
/// files.
pub fn write(
    path: &Path,
    base: &Path,
    project: &Project,
    files_in: &[(&str, &[PathBuf])],
) -> Result<()> {
    let mut archive = Archive::default();
    let scripts = project.dir.join("tests/guest");
    archive.program("init", &scripts.join("init"))?;
    archive.program("usr/bin/demo", &scripts.join("demo"))?;
    for (dir, files) in files_in {
        for file in *files {
            let name = file
                .file_name()
                .context("a file has a name")?
                .to_string_lossy();
            archive.program(&format!("{dir}/{name}"), file)?;
        }
    }
    // The module's task (docs/tasks.md) calls the program by this name, in the current folder.
    archive.link("root/test", "/usr/bin/moddb")?;
    let mut bytes = fs::read(base).with_context(|| format!("cannot read {}", base.display()))?;
    bytes.extend(archive.finish()?);
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the base archive, and makes it first if it is not in the cache: busybox, bash, coreutils and the libraries
/// of the latter two.
pub fn base(workspace: &Workspace) -> Result<PathBuf> {
    let Workspace { cache, .. } = workspace;
    let root = workspace.root()?;
    let key = cache::key(&[root.key(), RECIPE, &PROGRAMS.join(",")]);
    let dir = cache.entry(&format!("initramfs-base-{key}"), |dir| {
        step("initramfs base", cache.log("initramfs-base"), |step| {
            make_base(step, root, &dir.join("base.cpio"))
        })
    })?;
    Ok(dir.join("base.cpio"))
}

fn make_base(step: &Step, root: &Root, path: &Path) -> Result<()> {
    let chroot = root.chroot();
    let mut archive = Archive::default();
    for dir in ["bin", "sbin", "lib", "lib64"] {
        archive.link(dir, &format!("usr/{dir}"))?;
    }
    for dir in ["dev", "proc", "sys", "tmp", "root", "etc", "usr/sbin"] {
        archive.directory(dir)?;
    }
    // The kernel opens the console for init before init mounts /dev.
    archive.character_device("dev/console", 5, 1)?;

    let coreutils = step.output(chroot.command("dpkg").args(["--listfiles", "coreutils"]))?;
    let programs: BTreeSet<String> = coreutils
        .lines()
        .filter(|path| path.contains("/bin/"))
        .chain(PROGRAMS.iter().copied())
        .map(in_usr)
        .collect();
    let libraries = step.output(chroot.command("ldd").args(&programs))?;
    for file in programs.iter().cloned().chain(ldd_paths(&libraries)) {
        archive.program(&file, &root.outside(&file))?;
    }
    archive.program(BUSYBOX, &root.outside(BUSYBOX))?;
    let applets = step.output(chroot.command(BUSYBOX).arg("--list"))?;
    for applet in applets.lines() {
        let link = format!("usr/bin/{applet}");
        if !archive.has(&link) {
            archive.link(&link, "busybox")?;
        }
    }
    fs::write(path, archive.finish()?)?;
    Ok(())
}

/// Returns the paths of the libraries in the output of `ldd`.
fn ldd_paths(output: &str) -> BTreeSet<String> {
    output
        .lines()
        .filter(|line| line.starts_with('\t'))
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with('/'))
        .map(in_usr)
        .collect()
}

/// Returns `path` below /usr, for a root where /bin and /lib are links into /usr.
fn in_usr(path: &str) -> String {
    if path.starts_with("/usr/") {
        path.to_owned()
    } else {
        format!("/usr{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::ldd_paths;

    #[test]
    fn libraries_and_the_loader_are_found() {
        let output = "/usr/bin/cat:\n\tlinux-vdso.so.1 (0x0)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0)\n\t/lib64/ld-linux-x86-64.so.2 (0x0)\n";
        let found: Vec<_> = ldd_paths(output).into_iter().collect();
        assert_eq!(
            found,
            [
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "/usr/lib64/ld-linux-x86-64.so.2"
            ]
        );
    }
}
