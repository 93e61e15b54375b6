// SPDX-License-Identifier: GPL-2.0-only

//! Threads, atomics and blocking, from `std` or from loom. Only this module makes the choice.

#[cfg(feature = "loom")]
#[path = "runtime/on_loom.rs"]
mod chosen;
#[cfg(not(feature = "loom"))]
#[path = "runtime/on_std.rs"]
mod chosen;

pub(crate) use chosen::*;
#[cfg(feature = "loom")]
pub use chosen::{spawn, Spawned};
