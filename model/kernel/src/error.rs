// SPDX-License-Identifier: GPL-2.0-only

//! Kernel errors, as in the kernel's `rust/kernel/error.rs`.

use crate::alloc::AllocError;
use std::num::NonZeroI32;

/// The error codes that are used.
pub mod code {
    use super::Error;

    macro_rules! declare_err {
        ($($name:ident = $number:literal, $doc:literal;)*) => {
            $(
                #[doc = $doc]
                pub const $name: Error = Error::new(-$number);
            )*
        };
    }

    declare_err! {
        EPERM = 1, "Operation not permitted.";
        ENOENT = 2, "No such file or directory.";
        ESRCH = 3, "No such process.";
        EINTR = 4, "Interrupted system call.";
        E2BIG = 7, "Argument list too long.";
        EAGAIN = 11, "Try again.";
        ENOMEM = 12, "Out of memory.";
        EFAULT = 14, "Bad address.";
        EBUSY = 16, "Device or resource busy.";
        EEXIST = 17, "File exists.";
        ENODEV = 19, "No such device.";
        EINVAL = 22, "Invalid argument.";
        ENOSPC = 28, "No space left on device.";
        ERESTARTSYS = 512, "Restart the system call.";
    }
}

/// A kernel error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error(NonZeroI32);

impl Error {
    const fn new(errno: i32) -> Self {
        match NonZeroI32::new(errno) {
            Some(errno) => Self(errno),
            None => panic!("0 is no error"),
        }
    }

    /// The error with this (negative) number; [`code::EINVAL`] if there is none.
    pub fn from_errno(errno: i32) -> Self {
        match NonZeroI32::new(errno) {
            Some(errno) if (-4095..0).contains(&errno.get()) => Self(errno),
            _ => code::EINVAL,
        }
    }

    /// The negative number.
    pub fn to_errno(self) -> i32 {
        self.0.get()
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// A result with a kernel error.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;
