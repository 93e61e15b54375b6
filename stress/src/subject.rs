// SPDX-License-Identifier: GPL-2.0-only

//! The module under test and when it is loaded.

use crate::shared_state::SharedState;
use anyhow::{Context, Result};
use guest::module::{KernelModule, MEMORY_INFO, MODDB};
use nix::errno::Errno;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest time that a dump of moddb's store may keep the module in use: it ends with the process that reads it.
const UNLOAD_LIMIT: Duration = Duration::from_secs(60);

/// A module that can be stressed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum Subject {
    /// Shells that use `/proc/memory_info`
    MemoryInfo,
    /// Programs that use the key-value store in the kernel
    Moddb,
}

impl Subject {
    fn module(self) -> KernelModule {
        match self {
            Self::MemoryInfo => MEMORY_INFO,
            Self::Moddb => MODDB,
        }
    }

    /// Returns the path of the module's file in the guest.
    pub fn file(self) -> PathBuf {
        self.module().file()
    }

    /// Loads the module unless it is loaded.
    pub fn ensure_loaded(self, file: &Path) -> Result<()> {
        if self.module().is_loaded() {
            return Ok(());
        }
        self.load(file)
            .context("the module is not loaded; --file says where it is")
    }

    /// Unloads the module, waits for `pause`, and loads it again.
    pub fn reload(self, state: SharedState, file: &Path, pause: Duration) -> Result<()> {
        state.advance_epoch();
        self.unload()?;
        std::thread::sleep(pause);
        self.load(file)?;
        state.advance_epoch();
        Ok(())
    }

    fn unload(self) -> Result<()> {
        let deadline = Instant::now() + UNLOAD_LIMIT;
        loop {
            let unloaded = self.module().unload();
            let in_use = unloaded
                .as_ref()
                .is_err_and(|error| error.downcast_ref() == Some(&Errno::EWOULDBLOCK));
            if self != Self::Moddb || !in_use || Instant::now() >= deadline {
                return unloaded;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn load(self, file: &Path) -> Result<()> {
        self.module().load_from(file, "")?.leave_loaded();
        Ok(())
    }
}
