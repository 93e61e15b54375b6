// SPDX-License-Identifier: GPL-2.0-only

//! The kernel log, for text whose lines are bytes, while `pr_info!` formats arguments; and a limit on how often an event is
//! reported.
//!
//! C header: `include/linux/printk.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod rate_limit;

use kernel::bindings::_printk;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// Prints a line, which has no newline, at KERN_INFO after the module's name and a colon. A record of the log holds
/// at most 1024 bytes, the name included.
#[inline]
pub fn info(module: &CStr, line: &[u8]) {
    let len = c_int::try_from(line.len()).unwrap_or(c_int::MAX);
    // SAFETY: The format takes a C string, a length and a pointer to at least that many bytes, which follow.
    unsafe {
        _printk(
            c"\x016%s: %.*s\n".as_char_ptr(),
            module.as_char_ptr(),
            len,
            line.as_ptr(),
        )
    };
}
