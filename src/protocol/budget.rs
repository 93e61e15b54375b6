// SPDX-License-Identifier: GPL-2.0-only

//! A bound on memory that many callers hold parts of for an unlimited time.

use kernel::alloc::{AllocError, Flags};
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// A number of bytes that may be held at the same time, such as by the answers of open files.
pub struct Budget {
    held: Arc<Atomic<i64>>,
    max: i64,
}

/// A number of bytes that is held until this value is dropped.
#[must_use = "the bytes are given back when the charge is dropped"]
pub struct Charge {
    held: Arc<Atomic<i64>>,
    bytes: i64,
}

impl Budget {
    /// Creates a budget of `max` bytes, none of which are held. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(max: u64, flags: Flags) -> Result<Self, AllocError> {
        Ok(Self {
            held: Arc::new(Atomic::new(0), flags)?,
            max: i64::try_from(max).unwrap_or(i64::MAX),
        })
    }

    /// Holds `bytes` more if they are within the budget, or if `privileged` returns true, which is called
    /// only if they are not. Returns `None` otherwise. Does not sleep.
    pub fn charge(&self, bytes: usize, privileged: impl FnOnce() -> bool) -> Option<Charge> {
        let bytes = i64::try_from(bytes).ok()?;
        let before = self.held.fetch_add(bytes, Relaxed);
        let charge = Charge {
            held: self.held.clone(),
            bytes,
        };
        // Simultaneous callers count the bytes of each other, so each of them may be refused.
        // mutant: budget-limit
        let fits = before.saturating_add(bytes) <= self.max;
        // mutant: budget-refusal
        (fits || privileged()).then_some(charge)
    }
}

impl Charge {
    /// Returns the number of bytes held.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(0)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Relaxed);
    }
}
