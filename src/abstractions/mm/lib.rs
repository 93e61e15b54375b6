// SPDX-License-Identifier: GPL-2.0-only

//! Address spaces and their areas, while they are locked.
//!
//! - [`mmap_lock`]: the lock, and the areas under it; [`mmap_write`]: held for writing;
//! - [`area_lock`]: the lock of a single area;
//! - [`area`]: one area: what may be done with it and what it maps;
//! - [`file_path`]: the path of a file that an area maps;
//! - [`accounting`]: numbers of a whole address space;
//! - [`top_level`]: the top-level page table.
//!
//! They continue the kernel crate's `mm.rs`, whose guard cannot be taken killably and has no iteration.
//!
//! C headers: `include/linux/mm.h`, `include/linux/mm_types.h`, `include/linux/mmap_lock.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod accounting;
pub mod area;
pub mod area_lock;
pub mod file_path;
pub mod mmap_lock;
pub mod mmap_write;
#[cfg(not(CONFIG_UML))]
pub mod top_level;
