// SPDX-License-Identifier: GPL-2.0-only

//! A stand-in for the kernel's `kernel` crate.
//!
//! It has the paths that `src/logic` and `src/protocol` use, with the names, signatures and meanings of
//! the kernel's `rust/kernel/`, so that the same sources run on a host: on `std`, under Miri, and, with
//! the feature `loom`, under loom. Only [`runtime`] differs between the two.
//!
//! It is stricter than the kernel where that finds mistakes: sleeping in an RCU read-side critical
//! section or in a callback panics. Under loom, so does the use of memory that was freed or that another
//! thread has not handed over.

pub mod alloc;
pub mod bindings;
mod callback_head;
pub mod error;
mod grace_period;
mod heap;
pub mod init;
mod killable_queue;
pub mod prelude;
mod runtime;
pub mod sync;
pub mod testing;
