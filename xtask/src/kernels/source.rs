// SPDX-License-Identifier: GPL-2.0-only

//! The source of a Debian kernel, unpacked once for all flavours of one version.

use std::path::PathBuf;

use anyhow::Result;

use crate::host::cache;
use crate::host::chroot::Chroot;
use crate::host::progress::{step, Step};
use crate::host::workspace::Workspace;
use crate::kernels::release::Release;

/// Version of the steps that make an entry; raising it makes new entries.
const RECIPE: &str = "1";
/// Path of an entry inside the root. It is constant because build trees hold it.
pub const INSIDE: &str = "/mnt/source";

/// Returns the directory of the unpacked source of `release`, and makes it first if it is not in the cache.
pub fn get(workspace: &Workspace, release: &Release) -> Result<PathBuf> {
    let root = workspace.root()?;
    let package = release.source_package();
    let key = cache::key(&[root.key(), &release.version, RECIPE]);
    let name = format!("{package}-{key}");
    workspace.cache.entry(&name, |dir| {
        let title = format!("kernel source: {package} {}", release.version);
        step(&title, workspace.cache.log("kernel-source"), |step| {
            unpack(
                step,
                &root.chroot().bind(dir, "source"),
                &package,
                &release.version,
            )
        })
    })
}

/// Downloads the package and unpacks the tarball that it holds.
fn unpack(step: &Step, chroot: &Chroot, package: &str, version: &str) -> Result<()> {
    let script = r#"
        cd "$1"
        mkdir package.partial
        cd package.partial
        apt-get download "$2=$3"
        cd ..
        dpkg-deb --fsys-tarfile package.partial/*.deb |
            tar -xO --wildcards "./usr/src/$2.tar*" |
            xz -dc -T0 |
            tar -x --strip-components=1
        rm -r package.partial
    "#;
    step.run(
        chroot
            .command("bash")
            .args(["-eo", "pipefail", "-c", script, "unpack", INSIDE])
            .args([package, version]),
    )
}
