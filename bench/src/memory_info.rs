// SPDX-License-Identifier: GPL-2.0-only

//! The subject: `/proc/memory_info`.

use crate::module::Module;
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

const MODULE: &str = "memory_info";
const PATH: &str = "/proc/memory_info";

/// The file, opened once.
pub struct MemoryInfo {
    file: File,
}

/// Loads the module.
pub fn load() -> Result<Module> {
    Module::load(MODULE)
}

/// Loads the module with so many processors that a RESET may use at once, 0 being all. None if it knows of no such
/// thing.
pub fn load_with_workers(workers: u32) -> Result<Option<Module>> {
    match Module::has_parameter(MODULE, "workers")? {
        true => Module::load_with(MODULE, &format!("workers={workers}")).map(Some),
        false => Ok(None),
    }
}

/// Loads the module so that a RESET uses one processor.
pub fn load_with_one_worker() -> Result<Module> {
    load_with_workers(1)?.map_or_else(load, Ok)
}

impl MemoryInfo {
    /// Opens the file of the loaded module.
    pub fn open() -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(PATH);
        Ok(Self {
            file: file.with_context(|| format!("cannot open {PATH}"))?,
        })
    }

    /// Carries out a command without reading its answer.
    pub fn command(&mut self, command: &str) -> Result<()> {
        self.file
            .write_all(command.as_bytes())
            .with_context(|| format!("{PATH}: {command:?} failed"))
    }

    /// Scans all processes.
    pub fn reset(&mut self) -> Result<()> {
        self.command("RESET")
    }

    /// Carries out a command and reads its answer into `answer`, in as few calls as its capacity allows.
    pub fn ask(&mut self, command: &str, answer: &mut Vec<u8>) -> Result<()> {
        self.command(command)?;
        answer.clear();
        // A write leaves the file at its beginning.
        self.file.read_to_end(answer)?;
        Ok(())
    }
}
