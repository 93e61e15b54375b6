// SPDX-License-Identifier: GPL-2.0-only

//! The kernel log, for text that need not be UTF-8, as `pr_info!` wants it.
//!
//! C header: `include/linux/printk.h`.

use kernel::bindings::_printk;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// Prints a line, without its newline, at KERN_INFO behind the module's name. A record holds at most
/// 1024 bytes in all.
pub fn info(module: &CStr, line: &[u8]) {
    let len = c_int::try_from(line.len()).unwrap_or(c_int::MAX);
    // SAFETY: the format is one of a string and a length with that many bytes.
    unsafe {
        _printk(
            c"\x016%s: %.*s\n".as_char_ptr(),
            module.as_char_ptr(),
            len,
            line.as_ptr(),
        )
    };
}
