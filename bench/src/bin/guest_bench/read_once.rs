// SPDX-License-Identifier: GPL-2.0-only

//! A yardstick: the kernel module `read_once`, which reads all read-only pages once in one pass.

use anyhow::{Context, Result};
use guest::module::{KernelModule, LoadedModule};
use std::fs::{self, File, OpenOptions};
use std::io::Write;

const MODULE: KernelModule = KernelModule::named("read_once");
const PATH: &str = "/proc/read_once";

/// The loaded module and its opened file.
pub struct ReadOnce {
    file: File,
    _module: LoadedModule,
}

impl ReadOnce {
    /// Loads the module and opens its file.
    pub fn load() -> Result<Self> {
        let module = MODULE.load("")?;
        let file = OpenOptions::new().write(true).open(PATH);
        Ok(Self {
            file: file.with_context(|| format!("cannot open {PATH}"))?,
            _module: module,
        })
    }

    /// Reads all read-only pages of all processes.
    pub fn pass(&mut self) -> Result<()> {
        self.file.write_all(b"\n").context("a pass failed")
    }

    /// Returns the number of pages that the last pass read.
    pub fn pages(&self) -> Result<u64> {
        let text = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        text.trim()
            .parse()
            .with_context(|| format!("{PATH} does not contain a number: {text:?}"))
    }
}
