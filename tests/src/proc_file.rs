// SPDX-License-Identifier: GPL-2.0-only

//! The modules' files as a user sees them: write a command, read the answer.

use crate::case::check_text;
use crate::report::{self, Line};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

/// The path of the file of `memory_info`.
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

/// A module's file.
pub struct CommandFile(&'static str);

/// The file of `memory_info`.
pub const MEMORY_INFO: CommandFile = CommandFile(PATH);
/// The file of `vm_layout`.
pub const VM_LAYOUT: CommandFile = CommandFile("/proc/vm_layout");

impl CommandFile {
    /// Its path.
    pub fn path(&self) -> &'static str {
        self.0
    }

    /// Opens it for reading and writing.
    pub fn open(&self) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.0)
            .with_context(|| format!("cannot open {}", self.0))
    }

    /// All that it reads as, newly opened.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(self.0)
            .with_context(|| format!("cannot open {}", self.0))?
            .read_to_end(&mut text)
            .with_context(|| format!("cannot read {}", self.0))?;
        Ok(text)
    }

    /// Does what `echo <command> > file; cat file` does, with two opens of the file.
    pub fn ask(&self, command: impl AsRef<[u8]>) -> Result<Reply> {
        let write = write(&self.open()?, command.as_ref());
        Ok(Reply {
            write,
            text: self.read()?,
        })
    }

    /// The answer to a command whose `write` must take all of it.
    pub fn answer(&self, command: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let command = command.as_ref();
        let reply = self.ask(command)?;
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
}

/// One `write` of `command` through `file`.
pub fn write(mut file: &File, command: &[u8]) -> Result<usize, Errno> {
    file.write(command)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// Opens the file of `memory_info`; so in all that follows.
pub fn open() -> Result<File> {
    MEMORY_INFO.open()
}

/// [`CommandFile::read`].
pub fn read() -> Result<Vec<u8>> {
    MEMORY_INFO.read()
}

/// [`CommandFile::ask`].
pub fn ask(command: impl AsRef<[u8]>) -> Result<Reply> {
    MEMORY_INFO.ask(command)
}

/// [`CommandFile::answer`].
pub fn answer(command: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    MEMORY_INFO.answer(command)
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
