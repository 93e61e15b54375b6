// SPDX-License-Identifier: GPL-2.0-only

//! The user-space programs that the guest runs, linked statically so that the guest needs no libraries for them.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{ensure, Context, Result};
use cargo_metadata::Message;

use crate::host::progress::{step, Step};
use crate::host::project::Project;
use crate::host::workspace::Workspace;

const PACKAGES: &[&str] = &["tests", "stress", "tools", "bench"];
const TARGET: &str = "x86_64-unknown-linux-gnu";
const TEST_RUNNER: &str = "guest-tests";

/// Builds the guest's programs and returns their paths.
pub fn build(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    step(
        "guest programs",
        workspace.cache.log("guest-programs"),
        |step| compile(step, &workspace.project),
    )
}

/// Returns the test runner among `programs`. The host runs it to list the tests.
pub fn test_runner(programs: &[PathBuf]) -> Result<&PathBuf> {
    programs
        .iter()
        .find(|program| program.ends_with(TEST_RUNNER))
        .with_context(|| format!("the package tests has no program {TEST_RUNNER}"))
}

fn compile(step: &Step, project: &Project) -> Result<Vec<PathBuf>> {
    let mut command = project.cargo();
    command
        .args(["build", "--release", "--bins", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    let log = std::fs::OpenOptions::new().append(true).open(step.log())?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo's output is a pipe")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message? {
            programs.extend(artifact.executable.map(PathBuf::from));
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(programs)
}
