//! The subject: `/proc/memory_info`.

use crate::module::Module;
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};

const PATH: &str = "/proc/memory_info";

/// The file, opened once.
pub struct MemoryInfo {
    file: File,
}

impl MemoryInfo {
    /// Loads the module.
    pub fn load() -> Result<Module> {
        Module::load("memory_info")
    }

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

    /// Carries out a command and reads its answer into `answer`, which is emptied first.
    pub fn ask(&mut self, command: &str, answer: &mut Vec<u8>) -> Result<()> {
        self.command(command)?;
        answer.clear();
        self.file.rewind()?;
        self.file.read_to_end(answer)?;
        Ok(())
    }
}
