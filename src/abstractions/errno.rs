// SPDX-License-Identifier: GPL-2.0-only

//! Error numbers by name.
//!
//! C header: `include/uapi/asm-generic/errno-base.h`.

use kernel::bindings;
use kernel::error::code::EINVAL;
use kernel::error::Error;
use logic::errno::Errno;

/// Returns the kernel's error of this name.
pub fn error_of(errno: Errno) -> Error {
    let number = match errno {
        Errno::EPERM => bindings::EPERM,
        Errno::ENOENT => bindings::ENOENT,
        Errno::ESRCH => bindings::ESRCH,
        Errno::EINTR => bindings::EINTR,
        Errno::E2BIG => bindings::E2BIG,
        Errno::EAGAIN => bindings::EAGAIN,
        Errno::ENOMEM => bindings::ENOMEM,
        Errno::EFAULT => bindings::EFAULT,
        Errno::EEXIST => bindings::EEXIST,
        Errno::ENODEV => bindings::ENODEV,
        Errno::EINVAL => bindings::EINVAL,
        Errno::ENOSPC => bindings::ENOSPC,
        Errno::EMSGSIZE => bindings::EMSGSIZE,
        Errno::ECANCELED => bindings::ECANCELED,
    };
    i32::try_from(number).map_or(EINVAL, |number| Error::from_errno(-number))
}
