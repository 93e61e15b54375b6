// SPDX-License-Identifier: GPL-2.0-only

//! Debian's Redis server for the guest. The bench compares `moddb` with it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::host::cache;
use crate::host::chroot::Chroot;
use crate::host::progress::{step, Step};
use crate::host::workspace::Workspace;

/// Version of the steps that make an entry; raising it makes new entries.
const RECIPE: &str = "1";
const PACKAGE: &str = "redis-server";
/// Path of an entry inside the root.
const INSIDE: &str = "/mnt/redis";

/// Returns the paths of the server and its libraries, and makes them first if they are not in the cache.
pub fn files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let Workspace { cache, .. } = workspace;
    let root = workspace.root()?;
    let key = cache::key(&[root.key(), RECIPE]);
    let dir = cache.entry(&format!("redis-{key}"), |dir| {
        // apt fails if another apt runs.
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

/// Downloads the package and those of its dependencies that the root lacks, and keeps the server and its libraries.
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
    step.run(&mut bash)
        .context("cannot download Redis from Debian's archive")
}
