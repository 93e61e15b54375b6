// SPDX-License-Identifier: GPL-2.0-only

//! The kernel log, for text that is not UTF-8, which `pr_info!` requires.
//!
//! C header: `include/linux/printk.h`.

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
