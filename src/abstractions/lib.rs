// SPDX-License-Identifier: GPL-2.0-only

//! Safe wrappers for C APIs that the kernel's Rust crate lacks, and nothing else: they know no module, no
//! file format and no module's error type.
//!
//! Each subsystem with C code of its own is a crate in a folder beside these files: its Rust files wrap the
//! C API, and its `helpers.c` makes inline functions and macros callable. A module links only the crates
//! that it uses. This crate holds what needs no C helpers, and the [`bindings`] of all of them, which
//! bindgen generates from `bindings.h`.
//!
//! All `unsafe` of the project is in these crates and, for RCU pointers, in `protocol::rcu`.
//!
//! # Lock order
//!
//! 1. `mmap_lock`, or the lock of one area for reading.
//! 2. `arg_lock`. Nothing sleeps or allocates under it.
//!
//! Independent of these:
//!
//! 1. `exec_update_lock`, for reading, which is only tried.
//! 2. The `alloc_lock` of one task. Nothing sleeps under them.
//!
//! And:
//!
//! 1. Stripe locks, in ascending order.
//! 2. An innermost stripe lock, the lock of a hash table's bucket, or netlink's locks while a notification
//!    is sent. Nothing sleeps under them.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod bindings;
pub mod errno;
pub mod memory;
pub mod parameter;
pub mod random;
pub mod rcu;
pub mod sort;
