// SPDX-License-Identifier: GPL-2.0-only

//! What the user-space programs of the guest share.
//!
//! `tests`, `stress`, `bench` and `tools` build on this crate and not on each other (except that all may use
//! `tools::moddb`). It holds the pieces of a Linux program that each of them needs: loading a module, forking a child
//! process, mapping memory, sharing memory with forked processes, and reading the answers of `/proc/memory_info`.
//!
//! What must stay independent is not here: the oracle of `tests` and the numbers that `tests` writes out a second time.

pub mod child;
pub mod churn;
pub mod classes;
pub mod image;
pub mod listing;
pub mod mapping;
pub mod memory_info;
pub mod module;
pub mod scheduling;
pub mod set_churn;
pub mod shared;
pub mod shared_tables;
