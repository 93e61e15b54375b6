// SPDX-License-Identifier: GPL-2.0-only

//! Why there is no report, and the messages for it.

use kernel::alloc::AllocError;
use logic::command_line::{CommandFailure, Malformed};
use logic::errno::Errno;
use logic::interrupted::Interrupted;

/// Why there is no report about a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportFailure {
    /// The request could not be read from the caller's memory.
    BadAddress,
    /// No process has the given id.
    NoSuchProcess,
    /// The written bytes are not a request, or the process id is not positive.
    InvalidArgument,
    /// Memory is exhausted.
    NoMemory,
    /// A fatal signal ended the request.
    Interrupted,
    /// The process is a kernel thread, which has no address space.
    KernelThread,
    /// The process has exited and waits for its parent, or has no address space any more.
    Exited,
    /// The caller may not see the layout of any process.
    NotPermitted,
    /// The process is in the middle of an `execve(2)` that does not end.
    Executing,
}

impl CommandFailure for ReportFailure {
    const ALL: &'static [Self] = &[
        Self::BadAddress,
        Self::NoSuchProcess,
        Self::InvalidArgument,
        Self::NoMemory,
        Self::Interrupted,
        Self::KernelThread,
        Self::Exited,
        Self::Executing,
        Self::NotPermitted,
    ];
    const BAD_ADDRESS: Self = Self::BadAddress;

    fn line(self) -> &'static str {
        match self {
            Self::BadAddress => "[ERROR]: Bad address\n",
            Self::NoSuchProcess => "[ERROR]: No such process\n",
            Self::InvalidArgument => "[ERROR]: Invalid argument\n",
            Self::NoMemory => "[ERROR]: Memory allocation error\n",
            Self::Interrupted => "[ERROR]: Interrupted system call\n",
            Self::KernelThread => "[ERROR]: Kernel thread\n",
            Self::Exited => "[ERROR]: Process has exited\n",
            Self::NotPermitted => "[ERROR]: Operation not permitted\n",
            Self::Executing => "[ERROR]: Process is executing another program\n",
        }
    }

    fn errno(self) -> Errno {
        match self {
            Self::BadAddress => Errno::EFAULT,
            Self::NoSuchProcess | Self::Exited => Errno::ESRCH,
            Self::InvalidArgument | Self::KernelThread => Errno::EINVAL,
            Self::NoMemory => Errno::ENOMEM,
            Self::Interrupted => Errno::EINTR,
            Self::Executing => Errno::EAGAIN,
            Self::NotPermitted => Errno::EPERM,
        }
    }
}

impl ReportFailure {
    /// Returns the sentence that the log shows when the module is loaded with `pid=` and fails.
    pub fn load_message(self) -> &'static str {
        match self {
            Self::BadAddress | Self::NotPermitted => self.line().trim_ascii_end(),
            Self::NoSuchProcess => "there is no process with this id",
            Self::InvalidArgument => "a process id is greater than 0",
            Self::NoMemory => "there is not enough memory for the report",
            Self::Interrupted => "loading was interrupted by a signal",
            Self::KernelThread => "this is a kernel thread, which has no memory of its own",
            Self::Exited => "this process has exited, and its memory is gone",
            Self::Executing => "this process is executing another program; try again",
        }
    }
}

impl From<AllocError> for ReportFailure {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}

impl From<Interrupted> for ReportFailure {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<Malformed> for ReportFailure {
    fn from(_: Malformed) -> Self {
        Self::InvalidArgument
    }
}
