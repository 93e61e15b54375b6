// SPDX-License-Identifier: GPL-2.0-only

//! Processes that behave like shells and their children, without executing a program.

use super::{Reply, Shell};
use crate::{child, FILE};
use nix::sys::signal::{kill, Signal};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Who writes and who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// One process opens the file twice.
    Same,
    /// One descriptor, read with `pread` in pieces.
    Descriptor,
    /// Builtin `echo`, then `cat`.
    ThenChild,
    /// `/bin/echo`, then `cat`.
    Siblings,
    /// `sudo tee`, then `sudo cat`.
    Cousins,
    /// `/bin/echo`, and a shell that reads by itself.
    ChildThenSelf,
    /// A subshell with a builtin `echo` and a `cat`.
    Subshell,
}

impl Way {
    /// All ways, the fast ones first. In a shell of the last four kinds, the shell itself never writes.
    pub const ALL: [Self; 7] = [
        Self::Same,
        Self::Descriptor,
        Self::ThenChild,
        Self::Siblings,
        Self::Cousins,
        Self::ChildThenSelf,
        Self::Subshell,
    ];
}

/// A native shell.
pub struct Native {
    way: Way,
    file: Option<File>,
    piece: usize,
}

impl Native {
    /// A shell that asks in this way, and reads pieces of `piece` bytes where it reads in pieces.
    pub fn new(way: Way, piece: usize) -> Self {
        Self {
            way,
            file: None,
            piece,
        }
    }

    fn ask_through_kept_file(&mut self, command: &[u8]) -> io::Result<(io::Result<()>, Vec<u8>)> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open()?,
        };
        let written = (&file).write(command).map(drop);
        let text = pread_all(&file, self.piece);
        self.file = Some(file);
        Ok((written, text?))
    }
}

impl Shell for Native {
    fn describe(&self) -> String {
        format!("native {:?}", self.way)
    }

    fn new_writers(&self) -> u64 {
        match self.way {
            Way::Same | Way::Descriptor | Way::ThenChild => 0,
            Way::Siblings | Way::Cousins | Way::ChildThenSelf | Way::Subshell => 1,
        }
    }

    fn is_cheap(&self) -> bool {
        matches!(self.way, Way::Same | Way::Descriptor)
    }

    fn ask(&mut self, command: &[u8]) -> io::Result<Reply> {
        let command = [command, b"\n"].concat();
        let (written, text) = match self.way {
            Way::Same => (write(&command), read()?),
            Way::Descriptor => self.ask_through_kept_file(&command)?,
            Way::ThenChild => (write(&command), read_in_child()?),
            Way::Siblings => (child::run(|| write(&command)), read_in_child()?),
            Way::Cousins => (
                child::run(|| child::run(|| write(&command))),
                in_child(|to| {
                    let text = read_in_child()?;
                    to.write_all(&text)
                })?,
            ),
            Way::ChildThenSelf => (child::run(|| write(&command)), read()?),
            Way::Subshell => child::ask(|to| {
                let written = write(&command);
                to.write_all(&read_in_child()?)?;
                written
            })?,
        };
        Ok(Reply {
            write: written.map_err(|error| error.raw_os_error()),
            text,
        })
    }

    fn leaves_writers(&self) -> bool {
        false
    }

    fn ask_and_be_killed(&mut self, command: &[u8], after: Duration) -> io::Result<()> {
        let victim = child::start(|| {
            // It is killed in the middle of this, if not before or after.
            let _ = write(command).and_then(|()| read());
            0
        })?;
        std::thread::sleep(after);
        kill(victim, Signal::SIGKILL)?;
        child::wait(victim)?;
        Ok(())
    }

    fn reopen(&mut self) {
        self.file = None;
    }
}

/// Gives a command, newline included, and reads the answer through the same open file.
pub fn ask_through_one_descriptor(command: &[u8]) -> io::Result<Vec<u8>> {
    let file = open()?;
    (&file).write_all(command)?;
    pread_all(&file, 4096)
}

fn open() -> io::Result<File> {
    File::options().read(true).write(true).open(FILE)
}

/// What `echo … > file` does.
fn write(command: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).open(FILE)?;
    file.write(command).map(drop)
}

/// What `cat file` does.
fn read() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(FILE)?.read_to_end(&mut text)?;
    Ok(text)
}

fn read_in_child() -> io::Result<Vec<u8>> {
    in_child(|to| to.write_all(&read()?))
}

fn in_child(act: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let (done, text) = child::ask(act)?;
    done.map(|()| text)
}

fn pread_all(file: &File, piece: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        match file.read_at(&mut buffer, text.len() as u64)? {
            0 => return Ok(text),
            length => text.extend(&buffer[..length]),
        }
    }
}
