// SPDX-License-Identifier: GPL-2.0-only

//! Work on the kernel's workqueues.
//!
//! - [`queue`]: a workqueue;
//! - [`workers`]: one function on several CPUs while the caller waits;
//! - [`reclaimer`]: values that are dropped later.
//!
//! C header: `include/linux/workqueue.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod queue;
pub mod reclaimer;
pub mod workers;
