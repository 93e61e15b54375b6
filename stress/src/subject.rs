// SPDX-License-Identifier: GPL-2.0-only

//! The module under test: its name, its file, and when it is there.

use crate::board::Board;
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::CString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a list of moddb's may hold the module: it ends with the process that reads it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the project's modules.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum Subject {
    /// Shells on `/proc/memory_info`.
    MemoryInfo,
    /// Programs on the store of keys and values.
    Moddb,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::MemoryInfo => "memory_info",
            Self::Moddb => "moddb",
        }
    }

    /// Where the module's file is if nobody says otherwise.
    pub fn file(self) -> PathBuf {
        PathBuf::from(format!("/modules/{}.ko", self.name()))
    }

    /// Loads the module unless it is there.
    pub fn ensure_loaded(self, file: &Path) -> Result<()> {
        if Path::new("/sys/module").join(self.name()).exists() {
            return Ok(());
        }
        self.load(file)
    }

    /// Unloads the module, leaves it out for `pause`, and loads it again.
    pub fn reload(self, board: Board, file: &Path, pause: Duration) -> Result<()> {
        board.turn_epoch();
        self.unload()
            .with_context(|| format!("cannot unload {}", self.name()))?;
        std::thread::sleep(pause);
        self.load(file)?;
        board.turn_epoch();
        Ok(())
    }

    fn unload(self) -> Result<()> {
        let name = CString::new(self.name())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match (self, delete_module(&name, DeleteModuleFlags::O_NONBLOCK)) {
                (_, Ok(())) => return Ok(()),
                (Self::Moddb, Err(Errno::EWOULDBLOCK)) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                (_, Err(errno)) => bail!(errno),
            }
        }
    }

    fn load(self, file: &Path) -> Result<()> {
        let (shown, name) = (file.display(), self.name());
        let opened = File::open(file).with_context(|| {
            format!("{name} is not loaded and cannot be: no module {shown}; name it by --file")
        })?;
        finit_module(&opened, c"", ModuleInitFlags::empty())
            .with_context(|| format!("cannot load {shown}"))
    }
}
