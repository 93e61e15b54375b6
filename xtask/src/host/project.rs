// SPDX-License-Identifier: GPL-2.0-only

//! This checkout: where its sources are, and where its own build products go.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use etcetera::BaseStrategy;

/// The checkout that this program was built from.
pub struct Project {
    /// Its top-level directory.
    pub dir: PathBuf,
    target: PathBuf,
    xxhash: Option<PathBuf>,
}

impl Project {
    /// Finds the checkout; cargo fetches the sources of its dependencies if need be.
    pub fn open() -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the project's top-level directory")?;
        let metadata = MetadataCommand::new()
            .manifest_path(dir.join("Cargo.toml"))
            .exec()
            .context("cargo metadata failed; are the project's dependencies within reach?")?;
        let xxhash = metadata
            .packages
            .iter()
            .find(|package| package.name == "xxhash-rust")
            .and_then(|package| package.manifest_path.parent())
            .map(|dir| dir.as_std_path().to_owned());
        Ok(Self {
            dir: dir.to_owned(),
            target: metadata.target_directory.into_std_path_buf(),
            xxhash,
        })
    }

    /// The commit that is checked out, and whether files differ from it; for people.
    pub fn revision(&self) -> String {
        let describe = Command::new("git")
            .current_dir(&self.dir)
            .args(["describe", "--always", "--dirty=, changed"])
            .output();
        match describe {
            Ok(output) if output.status.success() => {
                let name = String::from_utf8_lossy(&output.stdout);
                format!("commit {}", name.trim())
            }
            _ => "of unknown origin".to_owned(),
        }
    }

    /// Where the build products of `kind` for the kernel `release` go.
    pub fn output(&self, kind: &str, release: &str) -> PathBuf {
        self.target.join("kernel").join(format!("{release}-{kind}"))
    }

    /// Where all build products for kernels go.
    pub fn outputs(&self) -> PathBuf {
        self.target.join("kernel")
    }

    /// Cargo's copy of the crate that the modules hash pages with.
    pub fn xxhash(&self) -> Option<&Path> {
        self.xxhash.as_deref()
    }

    /// Returns cargo's own directory, where the sources of the dependencies are.
    pub fn cargo_home(&self) -> Result<PathBuf> {
        match std::env::var_os("CARGO_HOME") {
            Some(home) => Ok(home.into()),
            None => {
                let base = etcetera::choose_base_strategy()
                    .context("no home directory: set HOME or CARGO_HOME")?;
                Ok(base.home_dir().join(".cargo"))
            }
        }
    }

    /// Cargo, at work in this checkout.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.dir);
        // Cargo sets these for this program; to a cargo that it runs they would be lies.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command.env_remove("CARGO_MANIFEST_DIR");
        command
    }
}
