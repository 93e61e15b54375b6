// SPDX-License-Identifier: GPL-2.0-only

//! A store in a file, which is locked as a whole (flock(2)).

use super::interface::{value, Store, KEYS, VALUE};
use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

/// Path of the file; the guest's `/tmp` is a tmpfs.
const PATH: &str = "/tmp/bench-store";

/// The opened file.
pub struct FileStore {
    /// None while the file is locked.
    file: Option<File>,
    buffer: [u8; VALUE],
}

impl FileStore {
    /// Opens the file, which is created if it does not exist.
    pub fn open() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(PATH)
            .with_context(|| format!("cannot open {PATH}"))?;
        file.set_len((KEYS * VALUE) as u64)?;
        Ok(Self {
            file: Some(file),
            buffer: [0; VALUE],
        })
    }

    /// Runs `action` with the locked file.
    fn locked(
        &mut self,
        lock: FlockArg,
        action: impl FnOnce(&File, &mut [u8]) -> std::io::Result<()>,
    ) -> Result<()> {
        let file = self.file.take().context("an earlier call failed")?;
        let locked = Flock::lock(file, lock).map_err(|(_, errno)| errno)?;
        action(&locked, &mut self.buffer)?;
        self.file = Some(locked.unlock().map_err(|(_, errno)| errno)?);
        Ok(())
    }
}

impl Store for FileStore {
    fn get(&mut self, key: usize) -> Result<()> {
        self.locked(FlockArg::LockShared, |file, buffer| {
            file.read_exact_at(buffer, (key * VALUE) as u64)
        })
    }

    fn set(&mut self, key: usize) -> Result<()> {
        self.locked(FlockArg::LockExclusive, |file, _| {
            file.write_all_at(&value(key), (key * VALUE) as u64)
        })
    }
}
