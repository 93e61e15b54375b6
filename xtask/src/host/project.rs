// SPDX-License-Identifier: GPL-2.0-only

//! This checkout: the paths of its sources and of its build products.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{ensure, Context, Result};
use cargo_metadata::MetadataCommand;
use etcetera::BaseStrategy;

/// The checkout that this program was built from.
pub struct Project {
    /// The top-level directory of the checkout.
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
            .context(
                "cargo metadata failed; check the network connection, or run cargo fetch first",
            )?;
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

    /// Returns a description of the commit that is checked out, which says whether files differ from it.
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

    /// Returns the files that differ from the last commit or are new; if there are none, those that it changed.
    pub fn changed_files(&self) -> Result<Vec<String>> {
        let changed = self.git(&["diff", "--name-only", "HEAD"])?;
        let new = self.git(&["ls-files", "--others", "--exclude-standard"])?;
        let mut files: Vec<_> = changed
            .lines()
            .chain(new.lines())
            .map(str::to_owned)
            .collect();
        if files.is_empty() {
            let last = self.git(&["show", "--name-only", "--format=", "HEAD"])?;
            files.extend(last.lines().map(str::to_owned));
        }
        Ok(files)
    }

    fn git(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .current_dir(&self.dir)
            .args(arguments)
            .output()
            .context("cannot run git")?;
        ensure!(
            output.status.success(),
            "git {} ended with {}",
            arguments.join(" "),
            output.status
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the directory of the build products of `kind` for the kernel `release`.
    pub fn output(&self, kind: &str, release: &str) -> PathBuf {
        self.target.join("kernel").join(format!("{release}-{kind}"))
    }

    /// Returns the directory of the build products for all kernels.
    pub fn outputs(&self) -> PathBuf {
        self.target.join("kernel")
    }

    /// Returns cargo's copy of xxhash-rust, the crate that the modules hash pages with.
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

    /// Returns a command that runs cargo in this checkout.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.dir);
        // Cargo sets these variables for this program; for another package they are wrong.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command.env_remove("CARGO_MANIFEST_DIR");
        command
    }
}
