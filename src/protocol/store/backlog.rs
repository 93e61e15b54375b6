// SPDX-License-Identifier: GPL-2.0-only

//! A bound for memory that waits for a grace period.
//!
//! A writer that replaces a large value all the time would be faster than RCU, which frees the old ones:
//! they would fill the memory, or the writer's memory cgroup, to which they stay charged. So who comes to
//! the bound waits for the grace period that began when the bytes were counted from 0. The bound is soft:
//! what was retired during that grace period, as much again at most, goes with the next.

use crate::rcu::GracePeriod;
use kernel::sync::atomic::{Atomic, Relaxed};

/// Bytes that wait.
pub struct Backlog {
    bytes: Atomic<i64>,
    since: Atomic<usize>,
}

impl Backlog {
    /// None.
    pub fn empty() -> Self {
        Self {
            bytes: Atomic::new(0),
            since: Atomic::new(0),
        }
    }

    /// So many bytes will wait, too. With more than `max` of them, the result is what the caller has to
    /// wait for when it may sleep. One at a time calls this. Does not sleep.
    pub fn add(&self, bytes: i64, max: i64) -> Option<GracePeriod> {
        if bytes <= 0 {
            return None;
        }
        let before = self.bytes.load(Relaxed);
        if before == 0 {
            self.since.store(GracePeriod::next().into_raw(), Relaxed);
        }
        let after = before.saturating_add(bytes);
        if after <= max {
            self.bytes.store(after, Relaxed);
            return None;
        }
        self.bytes.store(0, Relaxed);
        Some(GracePeriod::from_raw(self.since.load(Relaxed)))
    }
}
