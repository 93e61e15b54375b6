// SPDX-License-Identifier: GPL-2.0-only

//! What bindgen made of `bindings.h`. Types come from the kernel's own bindings.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    improper_ctypes,
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    reason = "generated"
)]

use kernel::bindings::*;
use kernel::ffi;
use pin_init::MaybeZeroable;

include!(env!("ABSTRACTIONS_BINDINGS"));
