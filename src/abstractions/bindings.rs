// SPDX-License-Identifier: GPL-2.0-only

//! The C functions and types that bindgen generates from `bindings.h`, for the crates of this layer. Types come
//! from the kernel crate's own bindings where it has them.

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
