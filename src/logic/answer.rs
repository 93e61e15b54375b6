// SPDX-License-Identifier: GPL-2.0-only

//! What a command answers, word for word (statement of `memory_info`, sections 3 and 4).

/// Why a command failed. Each has one message in the file and in the kernel log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The command could not be read from the caller's memory.
    BadAddress,
    /// No set has the given name, or no process the given id.
    NoSuchProcess,
    /// The bytes written are no command.
    InvalidArgument,
    /// Memory ran out; the data of before is untouched.
    NoMemory,
    /// A signal ended the command; the data of before is untouched.
    Interrupted,
    /// The module is being unloaded.
    Closing,
    /// The process is the kernel's own and has no address space.
    KernelThread,
    /// The process has ended and waits for its parent, or is about to.
    Exited,
}

/// The answer of RESET and DEL.
pub const SUCCESS: &str = "[SUCCESS]\n";

impl Failure {
    /// Every failure, in the order of the variants.
    pub const ALL: [Self; 8] = [
        Self::BadAddress,
        Self::NoSuchProcess,
        Self::InvalidArgument,
        Self::NoMemory,
        Self::Interrupted,
        Self::Closing,
        Self::KernelThread,
        Self::Exited,
    ];

    /// The line in the file and in the log, newline included.
    pub fn line(self) -> &'static str {
        match self {
            Self::BadAddress => "[ERROR]: Bad address\n",
            Self::NoSuchProcess => "[ERROR]: No such process\n",
            Self::InvalidArgument => "[ERROR]: Invalid argument\n",
            Self::NoMemory => "[ERROR]: Memory allocation error\n",
            Self::Interrupted => "[ERROR]: Interrupted system call\n",
            Self::Closing => "[ERROR]: No such device\n",
            Self::KernelThread => "[ERROR]: Kernel thread\n",
            Self::Exited => "[ERROR]: Process has exited\n",
        }
    }
}
