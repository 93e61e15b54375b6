// SPDX-License-Identifier: GPL-2.0-only

//! What a module provides for its file of commands.

use crate::text::{Text, TextBudget};
use logic::command_line::CommandFailure;

/// The commands of one file.
pub trait CommandHandler: Send + Sync + 'static {
    /// The reasons why a command fails.
    type Failure: CommandFailure;

    /// True if an answer is only for the user whose command it answers: a reader gets no other user's, and none of a
    /// process that is not related to it.
    const IS_PRIVATE: bool;

    /// What the caller of a function may do.
    type Rights: Copy + Send + Sync + 'static;

    /// Returns the rights of the calling task, which opens the file or writes a command. May sleep.
    ///
    /// # Errors
    ///
    /// Returns why it may do neither.
    fn rights_of_caller(&self) -> Result<Self::Rights, Self::Failure>;

    /// Executes one command: the written bytes, at most
    /// [`MAX_LEN`](logic::command_line::MAX_LEN). Memory for a text comes from `texts`. May sleep.
    ///
    /// # Errors
    ///
    /// The failure's line is the answer that readers get. Of all signals, only a fatal one may make a command fail.
    fn execute(
        &self,
        written: &[u8],
        callers: Callers<Self::Rights>,
        texts: &TextBudget,
    ) -> Result<Reply, Self::Failure>;

    /// Writes a failure to the kernel log.
    fn log(&self, failure: Self::Failure);

    /// Writes to the kernel log that this many failures of callers without CAP_SYS_ADMIN were left out, since there were
    /// too many.
    fn log_left_out(&self, failures: u32);

    /// Returns true if the write that ended with this failure returns its error number, and false if it
    /// succeeds and only the answer shows the failure.
    fn fails_write(&self, failure: Self::Failure) -> bool;

    /// Makes commands that are being executed end soon, since the file is about to be removed. Does not
    /// sleep.
    fn close(&self);
}

/// The rights of both tasks that had to do with a command: a file may be passed on, and a privileged program may be made
/// to write what it is given.
#[derive(Clone, Copy)]
pub struct Callers<R> {
    /// The rights of the task that opened the file.
    pub opener: R,
    /// The rights of the task that wrote the command.
    pub writer: R,
}

/// The result of a command that succeeded.
pub enum Reply {
    /// There is nothing to show: the answer is [`SUCCESS`](logic::command_line::SUCCESS).
    Success,
    /// The answer is this text.
    Text(Text),
}
