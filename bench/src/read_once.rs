// SPDX-License-Identifier: GPL-2.0-only

//! The yardstick in the kernel: one pass over all read-only pages, each read once.

use crate::module::Module;
use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::Write;

const PATH: &str = "/proc/read_once";

/// The file of the loaded yardstick.
pub struct ReadOnce {
    file: File,
    _module: Module,
}

impl ReadOnce {
    /// Loads the module.
    pub fn load() -> Result<Self> {
        let module = Module::load("read_once")?;
        let file = OpenOptions::new().write(true).open(PATH);
        Ok(Self {
            file: file.with_context(|| format!("cannot open {PATH}"))?,
            _module: module,
        })
    }

    /// Reads all pages.
    pub fn pass(&mut self) -> Result<()> {
        self.file.write_all(b"\n").context("a pass failed")
    }

    /// Number of pages that the last pass read.
    pub fn pages(&self) -> Result<u64> {
        let text = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        text.trim()
            .parse()
            .with_context(|| format!("{PATH} holds no number: {text:?}"))
    }
}
