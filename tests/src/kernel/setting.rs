// SPDX-License-Identifier: GPL-2.0-only

//! Kernel settings that a test changes.

use anyhow::{Context, Result};

/// A kernel setting in a file. Dropping this restores the old value.
pub struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    /// Sets the setting in the file `path` to `value`.
    pub fn set(path: &'static str, value: &str) -> Result<Self> {
        let before =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        std::fs::write(path, value).with_context(|| format!("cannot write '{value}' to {path}"))?;
        Ok(Self { path, before })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = std::fs::write(self.path, self.before.trim()) {
            eprintln!(
                "cannot restore {} to {}: {error}",
                self.path,
                self.before.trim()
            );
        }
    }
}
