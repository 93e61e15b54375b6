// SPDX-License-Identifier: GPL-2.0-only

//! File systems that a test mounts.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use std::path::Path;
use tempfile::TempDir;

/// A mounted tmpfs. Dropping this unmounts it, as soon as nothing uses it.
pub struct Tmpfs(TempDir);

impl Tmpfs {
    /// Mounts a tmpfs with `options`.
    pub fn mount(options: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        mount(
            None::<&str>,
            directory.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options),
        )
        .with_context(|| format!("cannot mount a tmpfs with the options '{options}'"))?;
        Ok(Self(directory))
    }

    /// Returns the path of its root.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Unmounts the file system.
    ///
    /// # Errors
    ///
    /// Returns the error of umount2(2): `EBUSY` if a process uses it.
    pub fn unmount(&self) -> Result<(), Errno> {
        umount2(self.path(), MntFlags::empty())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Fails if it was unmounted before.
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}
