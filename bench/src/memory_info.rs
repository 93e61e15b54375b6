//! The subject: `/proc/memory_info`.

use crate::module::Module;
use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

const PATH: &str = "/proc/memory_info";

const WORKERS: &str = "/sys/module/memory_info/parameters/workers";

/// The file, opened once.
pub struct MemoryInfo {
    file: File,
}

/// Loads the module.
pub fn load() -> Result<Module> {
    Module::load("memory_info")
}

/// Lets a RESET have so many threads, 0 being one a processor. False if the module has no such parameter.
pub fn set_workers(workers: u32) -> Result<bool> {
    if !Path::new(WORKERS).exists() {
        return Ok(false);
    }
    fs::write(WORKERS, workers.to_string())
        .with_context(|| format!("cannot write {workers} to {WORKERS}"))?;
    Ok(true)
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
