// SPDX-License-Identifier: GPL-2.0-only

//! The file `/proc/memory_info` of the measured module.

use anyhow::{Context, Result};
use guest::memory_info::PATH;
use guest::module::{LoadedModule, MEMORY_INFO};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

/// The opened file.
pub struct MemoryInfo {
    file: File,
}

/// Loads the module with its default parameters.
pub fn load() -> Result<LoadedModule> {
    MEMORY_INFO.load("")
}

/// Loads the module with the parameter `workers`: the number of CPUs that a RESET may use at once, or 0 for all.
/// Returns none if the module does not have this parameter.
pub fn load_with_workers(workers: u32) -> Result<Option<LoadedModule>> {
    match MEMORY_INFO.has_parameter("workers")? {
        true => MEMORY_INFO.load(&format!("workers={workers}")).map(Some),
        false => Ok(None),
    }
}

/// Loads the module so that a RESET uses one CPU.
pub fn load_with_one_worker() -> Result<LoadedModule> {
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

    /// Executes a command without reading its answer.
    pub fn command(&mut self, command: &str) -> Result<()> {
        self.file
            .write_all(command.as_bytes())
            .with_context(|| format!("{PATH}: {command:?} failed"))
    }

    /// Executes RESET, which scans all processes.
    pub fn reset(&mut self) -> Result<()> {
        self.command("RESET")
    }

    /// Executes a command and reads its answer into `answer`, in as few calls as its capacity allows.
    pub fn ask(&mut self, command: &str, answer: &mut Vec<u8>) -> Result<()> {
        self.command(command)?;
        answer.clear();
        // A write leaves the file position at 0.
        self.file.read_to_end(answer)?;
        Ok(())
    }
}
