// SPDX-License-Identifier: GPL-2.0-only

//! Shells and the scripts that they run.

use anyhow::{ensure, Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Runs `script`, which must succeed, and returns what it prints.
pub fn bash(script: &str) -> Result<String> {
    let output = Command::new("bash")
        .args(["-c", script])
        .stdin(Stdio::null())
        .output()
        .context("cannot run bash")?;
    ensure!(
        output.status.success(),
        "bash ended with {} when it ran\n{script}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A shell that runs one line at a time.
pub struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Starts a shell without a terminal.
    pub fn start() -> Result<Self> {
        let mut process = Command::new("bash")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run bash")?;
        let input = process.stdin.take().context("bash has no standard input")?;
        let output = BufReader::new(
            process
                .stdout
                .take()
                .context("bash has no standard output")?,
        );
        Ok(Self {
            process,
            input,
            output,
        })
    }

    /// Runs `line` and returns what it prints.
    pub fn run(&mut self, line: &str) -> Result<String> {
        const END: &str = "--end of this command--\n";
        write!(self.input, "{line}\necho '{}'\n", END.trim_end())?;
        let mut text = String::new();
        while !text.ends_with(END) {
            ensure!(
                self.output.read_line(&mut text)? > 0,
                "bash ended while it ran: {line}\n{text}"
            );
        }
        text.truncate(text.len() - END.len());
        Ok(text)
    }

    /// Ends the shell, which must succeed.
    pub fn end(mut self) -> Result<()> {
        drop(self.input);
        let status = self.process.wait()?;
        ensure!(status.success(), "bash ended with {status}");
        Ok(())
    }
}
