// SPDX-License-Identifier: GPL-2.0-only

//! Why a command failed, and the message for it.

use kernel::alloc::AllocError;
use logic::command_line::{CommandFailure, Malformed};
use logic::errno::Errno;
use logic::interrupted::Interrupted;

/// Why a command failed. Each failure has one message, which is shown in the file and in the kernel log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The command could not be read from the caller's memory.
    BadAddress,
    /// No set has the given name.
    NoSuchProcess,
    /// The written bytes are not a command.
    InvalidArgument,
    /// Memory is exhausted; the existing data is unchanged.
    NoMemory,
    /// A fatal signal ended the command; the existing data is unchanged.
    Interrupted,
    /// The module is being unloaded.
    Closing,
}

impl CommandFailure for Failure {
    const ALL: &'static [Self] = &[
        Self::BadAddress,
        Self::NoSuchProcess,
        Self::InvalidArgument,
        Self::NoMemory,
        Self::Interrupted,
        Self::Closing,
    ];
    const BAD_ADDRESS: Self = Self::BadAddress;

    fn line(self) -> &'static str {
        match self {
            Self::BadAddress => "[ERROR]: Bad address\n",
            Self::NoSuchProcess => "[ERROR]: No such process\n",
            Self::InvalidArgument => "[ERROR]: Invalid argument\n",
            Self::NoMemory => "[ERROR]: Memory allocation error\n",
            Self::Interrupted => "[ERROR]: Interrupted system call\n",
            Self::Closing => "[ERROR]: No such device\n",
        }
    }

    fn errno(self) -> Errno {
        match self {
            Self::BadAddress => Errno::EFAULT,
            Self::NoSuchProcess => Errno::ESRCH,
            Self::InvalidArgument => Errno::EINVAL,
            Self::NoMemory => Errno::ENOMEM,
            Self::Interrupted => Errno::EINTR,
            Self::Closing => Errno::ENODEV,
        }
    }
}

impl From<AllocError> for Failure {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}

impl From<Interrupted> for Failure {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Self::InvalidArgument
    }
}
