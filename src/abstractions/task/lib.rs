// SPDX-License-Identifier: GPL-2.0-only

//! Processes and the calling task.
//!
//! - [`thread_group`]: processes by their names and ids;
//! - [`current`]: the calling task: ancestors, signals, capabilities.
//!
//! C headers: `include/linux/sched.h`, `include/linux/sched/signal.h`, `include/linux/sched/mm.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod current;
pub mod thread_group;
