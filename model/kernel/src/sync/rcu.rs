// SPDX-License-Identifier: GPL-2.0-only

//! The RCU read-side lock, as in the kernel's `rust/kernel/sync/rcu.rs`.

use crate::grace_period;
use std::marker::PhantomData;

/// Evidence that the RCU read-side lock is held by this thread.
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard(PhantomData<*mut ()>);

impl Guard {
    /// Acquires the RCU read-side lock.
    pub fn new() -> Self {
        grace_period::read_lock();
        Self(PhantomData)
    }

    /// Releases the RCU read-side lock.
    pub fn unlock(self) {}
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        grace_period::read_unlock();
    }
}

/// Acquires the RCU read-side lock.
pub fn read_lock() -> Guard {
    Guard::new()
}
