// SPDX-License-Identifier: GPL-2.0-only

//! The error of a wait that a fatal signal ended.

/// A fatal signal is pending for the calling thread, so it must return to user space soon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted;
