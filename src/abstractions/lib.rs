// SPDX-License-Identifier: GPL-2.0-only

//! Safe wrappers for C APIs that the kernel's Rust crate lacks, one file a subsystem.
//!
//! All of the modules' `unsafe` is here (and, for RCU pointers, in `protocol::rcu`). What is an inline
//! function or a macro in C is made callable by the files in `helpers/`; `bindings.h` is what bindgen
//! reads.
//!
//! # Lock order
//!
//! `mmap_lock` (read), then one page-table lock or `arg_lock`. Nothing sleeps or allocates under the latter two.
//!
//! Stripe locks, ascending; then an innermost one of [`stripe_lock`], or a hash table's own, or netlink's where a
//! notification is sent. Nothing sleeps under them.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

mod bindings;

pub mod errno;
pub mod genetlink;
pub mod layout;
pub mod log;
pub mod mm;
pub mod net_namespace;
pub mod page;
pub mod page_walk;
pub mod pinned_pages;
pub mod procfs;
pub mod random;
pub mod rcu;
pub mod reclaimer;
pub mod rhashtable;
pub mod rwsem;
pub mod siphash;
pub mod sort;
pub mod stripe_lock;
pub mod task;
#[cfg(not(CONFIG_UML))]
pub mod top_level;
pub mod vma;
pub mod workers;
