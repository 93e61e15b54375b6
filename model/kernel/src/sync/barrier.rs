// SPDX-License-Identifier: GPL-2.0

//! Memory barriers, as in the kernel's `rust/kernel/sync/barrier.rs`.
//!
//! C11 has none that order reads or writes alone. What stands here orders what the kernel's do, as the
//! pairs of them are used: writes, `smp_wmb()`, writes; reads, `smp_rmb()`, reads.

use crate::runtime::atomic;
use std::sync::atomic::Ordering;

/// Earlier reads before later reads.
pub fn smp_rmb() {
    atomic::fence(Ordering::Acquire);
}

/// Earlier writes before later writes.
pub fn smp_wmb() {
    atomic::fence(Ordering::Release);
}
