// SPDX-License-Identifier: GPL-2.0-only

//! A bound on memory that waits for a grace period.
//!
//! A writer that keeps replacing a large value is faster than RCU, which frees the replaced values: they
//! would fill the memory, or the writer's memory cgroup, to which they stay charged. A writer that
//! reaches the bound therefore waits for a full grace period counted from the first of these bytes. The
//! bound is soft: values retired after that grace period began are freed by the next one, so up to twice
//! the bound may be outstanding.

use crate::rcu::GracePeriod;
use kernel::sync::atomic::{Atomic, Relaxed};

/// The bytes of replaced values that wait for a grace period.
pub struct Backlog {
    bytes: Atomic<i64>,
    /// The grace period that frees the first of them.
    since: Atomic<usize>,
}

impl Backlog {
    /// Creates a backlog of 0 bytes.
    pub fn empty() -> Self {
        Self {
            bytes: Atomic::new(0),
            since: Atomic::new(0),
        }
    }

    /// Adds `bytes` that will wait. If there are more than `max` in all, returns the grace period that
    /// the caller has to wait for once it may sleep. The caller serializes the calls. Does not sleep.
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
