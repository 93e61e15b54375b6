// SPDX-License-Identifier: GPL-2.0-only

//! Memory that many hold pieces of for as long as they like, bounded in all.

use kernel::alloc::{AllocError, Flags};
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// Bytes that may be held at a time.
pub struct Budget {
    held: Arc<Atomic<i64>>,
    max: i64,
}

/// Bytes held, until it is dropped.
pub struct Charge {
    held: Arc<Atomic<i64>>,
    bytes: i64,
}

impl Budget {
    /// `max` bytes, none of them held. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(max: u64, flags: Flags) -> Result<Self, AllocError> {
        Ok(Self {
            held: Arc::new(Atomic::new(0), flags)?,
            max: i64::try_from(max).unwrap_or(i64::MAX),
        })
    }

    /// Holds `bytes` more if that stays within the budget, or if the caller is `privileged`, which is
    /// asked only then. Does not sleep.
    pub fn charge(&self, bytes: usize, privileged: impl FnOnce() -> bool) -> Option<Charge> {
        let bytes = i64::try_from(bytes).ok()?;
        let before = self.held.fetch_add(bytes, Relaxed);
        let charge = Charge {
            held: self.held.clone(),
            bytes,
        };
        // Too much for a moment, where several ask at once: each of them may be refused for the others.
        // mutant: budget-limit
        let fits = before.saturating_add(bytes) <= self.max;
        // mutant: budget-refusal
        (fits || privileged()).then_some(charge)
    }
}

impl Charge {
    /// How much it is.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(0)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Relaxed);
    }
}
