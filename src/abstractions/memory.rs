// SPDX-License-Identifier: GPL-2.0-only

//! Allocation flags that the kernel's Rust crate has no names for.
//!
//! C header: `include/linux/gfp_types.h`.

use crate::bindings::ABSTRACTIONS_GFP_KERNEL_NO_OOM;
use kernel::alloc::Flags;

/// For memory whose lack is an answer to the caller: the allocation may sleep and tries hard, but fails, without a
/// message in the log, where GFP_KERNEL would have the out-of-memory killer end processes.
pub const GFP_KERNEL_NO_OOM: Flags = {
    // SAFETY: `Flags` is a struct of one `u32`, the size of which the transmutation checks, and it is these flags in
    // the C API.
    unsafe { core::mem::transmute::<u32, Flags>(ABSTRACTIONS_GFP_KERNEL_NO_OOM) }
};
