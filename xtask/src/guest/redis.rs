// SPDX-License-Identifier: GPL-2.0-only

//! Debian's Redis server for the guest: what the bench compares `moddb` with.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::host::cache;
use crate::host::chroot::Chroot;
use crate::host::progress::{step, Step};
use crate::host::workspace::Workspace;

/// Raised when the way an entry is made changes, so that older ones are not used.
const RECIPE: &str = "1";
const PACKAGE: &str = "redis-server";
/// Where an entry is seen inside the root.
const INSIDE: &str = "/mnt/redis";

/// The server and the libraries that it needs, from the cache or made.
pub fn files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let Workspace { cache, .. } = workspace;
    let root = workspace.root()?;
    let key = cache::key(&[root.key(), RECIPE]);
    let dir = cache.entry(&format!("redis-{key}"), |dir| {
        // As for a kernel: apt does not wait for another apt.
        let _one_at_a_time = cache.lock("choice", "the choice of a package")?;
        step("Redis", cache.log("redis"), |step| {
            root.update_lists(step)?;
            make(step, &root.chroot().bind(dir, "redis"))
        })
    })?;
    fs::read_dir(dir.join("files"))?
        .map(|file| Ok(file?.path()))
        .collect()
}

/// Downloads the package and what it needs beyond the root's, and keeps the program and its libraries.
fn make(step: &Step, chroot: &Chroot) -> Result<()> {
    let script = r#"
        cd "$1"
        mkdir packages tree files
        cd packages
        apt-get install --simulate --no-install-recommends "$2" | sed -n 's/^Inst \([^ ]*\) .*/\1/p' | xargs apt-get download
        cd ..
        for package in packages/*.deb; do dpkg-deb -x "$package" tree; done
        server=$(readlink -f tree/usr/bin/redis-server)
        cp "$server" files/redis-server
        libraries=$(find "$PWD/tree" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
        LD_LIBRARY_PATH=$libraries ldd "$server" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | xargs cp -Lt files
        rm -r packages tree
    "#;
    let mut bash = chroot.command("bash");
    bash.args(["-eo", "pipefail", "-c", script, "make", INSIDE, PACKAGE]);
    step.run(&mut bash).context("cannot get Redis from Debian")
}
