// SPDX-License-Identifier: GPL-2.0-only

//! Native shells: processes of this program that call the kernel like a shell and its children.

use super::{Reply, Shell};
use guest::child::{self, errno_of};
use guest::memory_info::PATH;
use nix::sys::signal::{kill, Signal};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Which processes write the command and read the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Roles {
    /// The shell writes and reads, and opens the file for each.
    Same,
    /// The shell writes through one descriptor and reads it with pread(2).
    Descriptor,
    /// The shell writes (builtin `echo`), a child reads (`cat`).
    ThenChild,
    /// One child writes (`/bin/echo`), another reads (`cat`).
    Siblings,
    /// Grandchildren write and read (`sudo tee`, `sudo cat`).
    Cousins,
    /// A child writes (`/bin/echo`), the shell reads.
    ChildThenSelf,
    /// A child writes, and a child of it reads (a subshell with builtin `echo` and `cat`).
    Subshell,
}

impl Roles {
    /// All variants, the fast ones first. With the last four, the shell itself never writes.
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

/// A native shell, which is the calling process.
pub struct Native {
    roles: Roles,
    file: Option<File>,
    piece: usize,
}

impl Native {
    /// Makes a shell whose processes have these roles. With [`Roles::Descriptor`], it reads `piece` bytes at a time.
    pub fn new(roles: Roles, piece: usize) -> Self {
        Self {
            roles,
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
        format!("native {:?}", self.roles)
    }

    fn new_writers(&self) -> u64 {
        match self.roles {
            Roles::Same | Roles::Descriptor | Roles::ThenChild => 0,
            Roles::Siblings | Roles::Cousins | Roles::ChildThenSelf | Roles::Subshell => 1,
        }
    }

    fn is_cheap(&self) -> bool {
        matches!(self.roles, Roles::Same | Roles::Descriptor)
    }

    fn ask(&mut self, command: &[u8]) -> io::Result<Reply> {
        let command = [command, b"\n"].concat();
        let (written, text) = match self.roles {
            Roles::Same => (write(&command), read()?),
            Roles::Descriptor => self.ask_through_kept_file(&command)?,
            Roles::ThenChild => (write(&command), read_in_child()?),
            Roles::Siblings => (in_child(|| write(&command)), read_in_child()?),
            Roles::Cousins => (
                in_child(|| in_child(|| write(&command))),
                capture(|to| {
                    let text = read_in_child()?;
                    to.write_all(&text)
                })?,
            ),
            Roles::ChildThenSelf => (in_child(|| write(&command)), read()?),
            Roles::Subshell => child::capture(|to| {
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
            write(command)
                .and_then(|()| read().map(drop))
                .map_err(errno_of)
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
    File::options().read(true).write(true).open(PATH)
}

/// Writes a command like `echo … > file`.
fn write(command: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).open(PATH)?;
    file.write(command).map(drop)
}

/// Reads the answer like `cat file`.
fn read() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(PATH)?.read_to_end(&mut text)?;
    Ok(text)
}

fn read_in_child() -> io::Result<Vec<u8>> {
    capture(|to| to.write_all(&read()?))
}

/// Runs `body` in a child; returns its result.
fn in_child(body: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    child::capture(|_| body())?.0
}

/// Runs `body` in a child, which must succeed; returns what it wrote.
fn capture(body: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let (done, text) = child::capture(body)?;
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
