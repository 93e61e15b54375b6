// SPDX-License-Identifier: GPL-2.0-only

//! Memory barriers, as in the kernel's `rust/kernel/sync/barrier.rs`.
//!
//! C11 has no fence that orders reads or writes alone. The fences here order what the kernel's barriers
//! order where they are used in pairs: writes, `smp_mb(Write)`, writes; reads, `smp_mb(Read)`, reads.

#![expect(private_bounds, reason = "sealed, as in the kernel")]

use crate::runtime::atomic;
use std::sync::atomic::Ordering;

/// Orders reads against reads.
pub struct Read;

/// Orders writes against writes.
pub struct Write;

trait MemoryBarrier {
    const FENCE: Ordering;
}

impl MemoryBarrier for Read {
    const FENCE: Ordering = Ordering::Acquire;
}

impl MemoryBarrier for Write {
    const FENCE: Ordering = Ordering::Release;
}

/// Executes a memory barrier between CPUs.
pub fn smp_mb<T: MemoryBarrier>(_: T) {
    atomic::fence(T::FENCE);
}
