// SPDX-License-Identifier: GPL-2.0-only

//! What several modules decide alike, apart from any kernel: units, process names, text, command lines.
//!
//! What one module decides alone is a crate of its own in a folder of its name beside these files:
//! `logic_memory_info`, `logic_vm_layout`, `logic_moddb`.
//!
//! None of these crates has `unsafe`, locks or I/O. Memory comes from the `kernel` crate's fallible
//! collections. A function allocates only if its name or its arguments say so (`reserve`, allocation
//! flags); a function that is called under a lock reports that room is missing and leaves the allocation
//! to its caller.
//!
//! The same files are compiled into the modules, against the kernel's `kernel` crate, and by Cargo,
//! against the stand-in in `model/kernel`, for tests, Miri and benches.

#![forbid(unsafe_code)]

pub mod comm;
pub mod command_line;
pub mod errno;
pub mod hash;
pub mod interrupted;
pub mod text;
pub mod units;
