// SPDX-License-Identifier: GPL-2.0-only

//! Shells: ways in which users give a command and read its answer.

pub mod native;
pub mod script;

use std::io;

/// Result of one command, as far as the shell sees it.
pub struct Reply {
    /// Result of the write; the error is its number if the shell sees it.
    pub write: Result<(), Option<i32>>,
    /// Text that was read after the write.
    pub text: Vec<u8>,
}

/// A shell. Real shells are programs that are driven line by line; native ones are processes of this program that call
/// the kernel like a shell and its children.
pub trait Shell {
    /// Returns what the shell does, as a user would type it.
    fn describe(&self) -> String;

    /// Returns how many processes write a first command with each command of this shell.
    fn new_writers(&self) -> u64;

    /// Returns true if a command takes microseconds because no process is started for it.
    fn is_cheap(&self) -> bool;

    /// Returns true if the shell can give these bytes as a command.
    fn can_say(&self, _command: &[u8]) -> bool {
        true
    }

    /// Gives a command, to which it adds a newline, and reads the answer.
    fn ask(&mut self, command: &[u8]) -> io::Result<Reply>;

    /// Returns true if children of a killed shell may write the command later.
    fn leaves_writers(&self) -> bool;

    /// Gives a command and kills the shell `after` some time, which may be before, during or after the command.
    fn ask_and_be_killed(&mut self, command: &[u8], after: std::time::Duration) -> io::Result<()>;

    /// Closes the file if the shell keeps it open: the module may have been loaded again.
    fn reopen(&mut self);
}
