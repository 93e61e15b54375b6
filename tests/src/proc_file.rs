//! `/proc/memory_info` as a user sees it: write a command, read the answer.

use crate::case::check_text;
use crate::report::{self, Line};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

/// The file's path.
pub const PATH: &str = "/proc/memory_info";
/// The whole answer to a RESET or DEL that went well.
pub const SUCCESS: &str = "[SUCCESS]\n";
/// The whole answer to a command that found no process.
pub const NO_PROCESS: &str = "[ERROR]: No such process\n";
/// The whole answer to a command that was malformed.
pub const INVALID: &str = "[ERROR]: Invalid argument\n";
/// The whole answer to a command that could not be copied.
pub const BAD_ADDRESS: &str = "[ERROR]: Bad address\n";
/// The whole answer to a command for which there was no memory.
pub const NO_MEMORY: &str = "[ERROR]: Memory allocation error\n";

/// What a command led to.
pub struct Reply {
    /// What `write` returned.
    pub write: Result<usize, Errno>,
    /// What the file read as afterwards.
    pub text: Vec<u8>,
}

/// Opens the file for reading and writing.
pub fn open() -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(PATH)
        .with_context(|| format!("cannot open {PATH}"))
}

/// One `write` of `command` through `file`.
pub fn write(mut file: &File, command: &[u8]) -> Result<usize, Errno> {
    file.write(command)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// All that a newly opened file reads as.
pub fn read() -> Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(PATH)
        .with_context(|| format!("cannot open {PATH}"))?
        .read_to_end(&mut text)
        .with_context(|| format!("cannot read {PATH}"))?;
    Ok(text)
}

/// Does what `echo <command> > file; cat file` does, with two opens of the file.
pub fn ask(command: impl AsRef<[u8]>) -> Result<Reply> {
    let write = write(&open()?, command.as_ref());
    Ok(Reply {
        write,
        text: read()?,
    })
}

/// The answer to a command whose `write` must take all of it.
pub fn answer(command: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    let command = command.as_ref();
    let reply = ask(command)?;
    match reply.write {
        Ok(length) if length == command.len() => Ok(reply.text),
        Ok(length) => bail!(
            "writing \"{}\" took {length} of {} bytes",
            command.escape_ascii(),
            command.len()
        ),
        Err(errno) => bail!("writing \"{}\" failed: {errno}", command.escape_ascii()),
    }
}

/// RESET, which must succeed.
pub fn reset() -> Result<()> {
    check_text("the answer to RESET", answer("RESET\n")?, SUCCESS)
}

/// The answer to `FILTER|<name>` as it was printed.
pub fn filter(name: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    answer([b"FILTER|", name.as_ref(), b"\n"].concat())
}

/// The one line of the answer to `FILTER|<name>`.
pub fn line_of(name: impl AsRef<[u8]>) -> Result<Line> {
    let text = filter(name.as_ref())?;
    let mut lines = report::parse(&text)?;
    ensure!(
        lines.len() == 1,
        "FILTER|{} must give one line, but gave \"{}\"",
        name.as_ref().escape_ascii(),
        text.escape_ascii()
    );
    Ok(lines.remove(0))
}

/// The lines of the answer to ALL.
pub fn all() -> Result<Vec<Line>> {
    report::parse(&answer("ALL\n")?)
}
