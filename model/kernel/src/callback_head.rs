// SPDX-License-Identifier: GPL-2.0-only

//! The link between a value and its RCU callback.

/// C header: `include/linux/types.h`.
#[repr(C)]
#[derive(Copy, Clone)]
#[expect(missing_docs, reason = "as bindgen writes it")]
pub struct callback_head {
    pub next: *mut callback_head,
    pub func: Option<unsafe extern "C" fn(head: *mut callback_head)>,
}

impl Default for callback_head {
    fn default() -> Self {
        Self {
            next: std::ptr::null_mut(),
            func: None,
        }
    }
}
