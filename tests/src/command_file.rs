// SPDX-License-Identifier: GPL-2.0-only

//! The modules' command files in `/proc`, used as a user does: write a command, read its answer.

use anyhow::{bail, Context, Result};
use guest::child::errno_of;
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

/// Result of a command that was written to a file opened for it and read from the file opened again.
pub struct Reply {
    /// Result of write(2).
    pub write: Result<usize, Errno>,
    /// Everything that the file read as afterwards.
    pub text: Vec<u8>,
}

/// A command file, by its path.
pub struct CommandFile(&'static str);

impl CommandFile {
    /// Describes the command file at `path`, whether its module is loaded or not.
    pub const fn at(path: &'static str) -> Self {
        Self(path)
    }

    /// Opens the file for reading and writing with a single system call.
    ///
    /// # Errors
    ///
    /// Returns the error of open(2).
    pub fn try_open(&self) -> Result<File, Errno> {
        let opened = OpenOptions::new().read(true).write(true).open(self.0);
        opened.map_err(errno_of)
    }

    /// Opens the file for reading and writing.
    pub fn open(&self) -> Result<File> {
        self.try_open()
            .with_context(|| format!("cannot open {}", self.0))
    }

    /// Opens the file for reading and returns everything that it reads as.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(self.0)
            .with_context(|| format!("cannot open {}", self.0))?
            .read_to_end(&mut text)
            .with_context(|| format!("cannot read {}", self.0))?;
        Ok(text)
    }

    /// Gives a command and reads its answer through two open files, like `echo <command> > file; cat file`.
    pub fn ask(&self, command: impl AsRef<[u8]>) -> Result<Reply> {
        let write = write(&self.open()?, command.as_ref());
        Ok(Reply {
            write,
            text: self.read()?,
        })
    }

    /// Gives a command and returns its answer. Fails unless write(2) accepts the whole command.
    pub fn answer(&self, command: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let command = command.as_ref();
        let reply = self.ask(command)?;
        match reply.write {
            Ok(length) if length == command.len() => Ok(reply.text),
            Ok(length) => bail!(
                "writing \"{}\" accepted {length} of {} bytes",
                command.escape_ascii(),
                command.len()
            ),
            Err(errno) => bail!("writing \"{}\" failed: {errno}", command.escape_ascii()),
        }
    }
}

/// Writes `command` with a single system call and returns its result.
pub fn write(mut file: &File, command: &[u8]) -> Result<usize, Errno> {
    file.write(command).map_err(errno_of)
}
