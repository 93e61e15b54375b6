// SPDX-License-Identifier: GPL-2.0-only

//! The interface of `memory_info`: its commands and their answers.

pub mod oracle;

pub use guest::memory_info::{BAD_ADDRESS, INVALID, NO_MEMORY, NO_PROCESS, PATH, SUCCESS};

use crate::case::check_text;
use crate::command_file::{CommandFile, Reply};
use anyhow::{ensure, Result};
use guest::listing::{self, Line};
use std::fs::File;

/// The command file.
pub const FILE: CommandFile = CommandFile::at(PATH);

/// Opens the command file for reading and writing.
pub fn open() -> Result<File> {
    FILE.open()
}

/// Opens the command file and returns everything that it reads as.
pub fn read() -> Result<Vec<u8>> {
    FILE.read()
}

/// Gives a command and reads its answer; see [`CommandFile::ask`].
pub fn ask(command: impl AsRef<[u8]>) -> Result<Reply> {
    FILE.ask(command)
}

/// Gives a command, which must be accepted, and returns its answer; see [`CommandFile::answer`].
pub fn answer(command: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    FILE.answer(command)
}

/// Gives the command RESET and requires that it succeeds.
#[track_caller]
pub fn reset() -> Result<()> {
    check_text("the answer to RESET", answer("RESET\n")?, SUCCESS)
}

/// Returns the answer to `FILTER|<name>` as it was printed.
pub fn filter(name: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    answer([b"FILTER|", name.as_ref(), b"\n"].concat())
}

/// Returns the answer to `FILTER|<name>`, which must be a single line.
pub fn line_of(name: impl AsRef<[u8]>) -> Result<Line> {
    let text = filter(name.as_ref())?;
    let mut lines = listing::parse(&text)?;
    ensure!(
        lines.len() == 1,
        "FILTER|{} must answer with one line, but answered \"{}\"",
        name.as_ref().escape_ascii(),
        text.escape_ascii()
    );
    Ok(lines.remove(0))
}

/// Returns the lines of the answer to ALL.
pub fn all() -> Result<Vec<Line>> {
    listing::parse(&answer("ALL\n")?)
}
