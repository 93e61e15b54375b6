// SPDX-License-Identifier: GPL-2.0-only

//! Processes and the calling task.
//!
//! - [`thread_group`]: processes by their names and ids;
//! - [`program`]: the name and the address space of a process, taken together;
//! - [`wait_queue`]: waiting for a condition;
//! - [`current`]: the calling task: ancestors, signals, capabilities.
//!
//! C headers: `include/linux/sched.h`, `include/linux/sched/signal.h`, `include/linux/sched/mm.h`,
//! `include/linux/wait.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod current;
mod program;
pub mod thread_group;
pub mod wait_queue;
