// SPDX-License-Identifier: GPL-2.0-only

//! Differences between the kernels that the project supports, and nothing else.
//!
//! The rest of the tree is written for the newest supported kernel. An item here gives an older
//! kernel the newest one's API, under the newest one's name, and says with which series it goes.
//! `Kbuild` sets `before_7_3` and the like from the version of the kernel that it builds for.
//!
//! To drop a series, remove what its `before_*` selects, and use the kernel's own paths in its place.

pub mod barrier;
mod parameter;

pub use parameter::value_of;
