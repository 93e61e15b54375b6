// SPDX-License-Identifier: GPL-2.0-only

//! Files in `/proc`.
//!
//! - [`ProcFile`]: what a file does, and [`FileText`], what it reads as;
//! - [`ProcEntry`]: the file in `/proc`;
//! - [`operations`]: procfs's calls, and the file's position;
//! - [`written`]: the bytes of one `write(2)` or `writev(2)`.
//!
//! C header: `include/linux/proc_fs.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

mod entry;
mod file;
mod operations;
mod written;

pub use entry::{FileMode, ProcEntry};
pub use file::{FileText, ProcFile};
