// SPDX-License-Identifier: GPL-2.0-only

//! What the modules decide, apart from any kernel: command grammar, output format, counters and the
//! page-content table.
//!
//! No `unsafe`, no locks, no I/O. Memory comes from the `kernel` crate's fallible collections, and
//! nothing here allocates unless its name says so (`reserve`): what is called under a lock answers
//! "no room" and leaves the allocation to its caller.
//!
//! The same files are compiled into the modules (against the kernel's `kernel` crate) and by Cargo
//! (against the stand-in in `model/kernel`) for tests, Miri and fuzzers.

#![forbid(unsafe_code)]

pub mod answer;
pub mod comm;
pub mod command;
pub mod content_table;
pub mod counts;
pub mod frame_set;
pub mod index;
pub mod layout;
pub mod moddb;
pub mod page_hash;
pub mod report;
pub mod text;
pub mod word_table;
