// SPDX-License-Identifier: GPL-2.0-only

//! The ways in which users give a command and read its answer.

pub mod native;
pub mod script;

use std::io;

/// What one command led to, as far as this way of asking lets see.
pub struct Reply {
    /// Whether the write went well; the raw error number if it is known.
    pub write: Result<(), Option<i32>>,
    /// What was read afterwards.
    pub text: Vec<u8>,
}

/// One shell, real or native.
pub trait Shell {
    /// What it does, as a user would type it.
    fn describe(&self) -> String;

    /// How many processes write their first command with each command of this shell.
    fn new_writers(&self) -> u64;

    /// Whether a command takes microseconds: no process is started for it.
    fn is_cheap(&self) -> bool;

    /// Whether it can be given these bytes as a command.
    fn can_say(&self, _command: &[u8]) -> bool {
        true
    }

    /// Gives a command (without a newline) and reads the answer.
    fn ask(&mut self, command: &[u8]) -> io::Result<Reply>;

    /// Whether children of it that were asked to write may still do so after it was killed.
    fn leaves_writers(&self) -> bool;

    /// Gives a command, and is killed in the middle of it.
    fn ask_and_be_killed(&mut self, command: &[u8], after: std::time::Duration) -> io::Result<()>;

    /// Opens the file anew, if it was kept open: the module may be another one.
    fn reopen(&mut self);
}
