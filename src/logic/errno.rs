// SPDX-License-Identifier: GPL-2.0-only

//! Error numbers by name. The numbers themselves are the kernel's: the module's side maps the names.
//!
//! C header: `include/uapi/asm-generic/errno-base.h`.

/// An error number that a system call or a netlink message returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the kernel's own names")]
pub enum Errno {
    EPERM,
    ENOENT,
    ESRCH,
    EINTR,
    E2BIG,
    EAGAIN,
    ENOMEM,
    EFAULT,
    EEXIST,
    ENODEV,
    EINVAL,
    ENOSPC,
    EMSGSIZE,
    ECANCELED,
}
