// SPDX-License-Identifier: GPL-2.0-only

//! A limit that many writers share without sharing a cache line.
//!
//! The remaining amount is divided between a pool and the credits of the stripes. A writer takes from the
//! credit of its stripe. If that is too little, it refills the credit from the pool and, if the pool is
//! empty, collects the credits of the other stripes. So a writer is refused only if the whole remaining
//! amount is too small.
//!
//! # Lock order
//!
//! The stripes' locks, then a quota's.

use crate::store::stripes::Lock;
use kernel::sync::atomic::{Atomic, Relaxed};

/// A limit, and the part of the remaining amount that is in the pool.
pub struct Quota<L> {
    limit: i64,
    /// The amount that a stripe gets from the pool beyond what it needs.
    portion: i64,
    /// Held while credit moves between the pool and the stripes.
    moving: L,
    pool: Atomic<i64>,
}

impl<L: Lock> Quota<L> {
    /// Creates a quota of which nothing was taken. `portion` is the amount that a stripe gets at a time.
    pub fn new(limit: u64, portion: i64) -> Self {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Self {
            limit,
            portion,
            moving: L::innermost(),
            pool: Atomic::new(limit),
        }
    }

    /// Takes `amount` if that much is left, in the credit `own` or in the pool and `all` credits. Returns
    /// whether it did. The caller holds the lock of the stripe of `own`. Does not sleep.
    pub fn take<'c, I: Iterator<Item = &'c Atomic<i64>>>(
        &self,
        amount: i64,
        own: &Atomic<i64>,
        all: impl FnOnce() -> I,
    ) -> bool {
        amount <= 0 || subtract(own, amount) || self.refill(amount, own, all())
    }

    /// Slow path of [`Self::take`]. Holds `moving`, the lock for moving credit between the pool and the
    /// stripes: credit that is in neither place is in the holder's `collected`.
    fn refill<'c>(
        &self,
        amount: i64,
        own: &Atomic<i64>,
        all: impl Iterator<Item = &'c Atomic<i64>>,
    ) -> bool {
        // mutant: move-credit
        let _moving = self.moving.lock();
        let mut collected = own.xchg(0, Relaxed);
        if collected < amount {
            // Only the holder of `moving` takes from the pool.
            let wanted = amount
                .saturating_sub(collected)
                .saturating_add(self.portion);
            let moved = self.pool.load(Relaxed).min(wanted);
            self.pool.fetch_sub(moved, Relaxed);
            collected = collected.saturating_add(moved);
        }
        if collected < amount {
            for credit in all {
                // mutant: collect-credit
                collected = collected.saturating_add(credit.xchg(0, Relaxed));
            }
        }
        // mutant: quota-limit
        let is_enough = collected >= amount;
        if is_enough {
            collected = collected.saturating_sub(amount);
        }
        own.add(collected, Relaxed);
        is_enough
    }

    /// Gives back `amount`, to the credit `own` or, if that has plenty, to the pool. The caller holds the
    /// lock of the stripe of `own`. Does not sleep.
    pub fn give(&self, amount: i64, own: &Atomic<i64>) {
        if amount <= 0 {
            return;
        }
        let plenty = self.portion.saturating_mul(2);
        if own.load(Relaxed).saturating_add(amount) > plenty {
            self.pool.add(amount, Relaxed);
        } else {
            own.add(amount, Relaxed);
        }
    }

    /// Gives back everything that was taken. The caller holds the locks of all stripes. Does not sleep.
    pub fn give_all<'c>(&self, all: impl Iterator<Item = &'c Atomic<i64>>) {
        let _moving = self.moving.lock();
        for credit in all {
            credit.store(0, Relaxed);
        }
        self.pool.store(self.limit, Relaxed);
    }
}

/// Subtracts `amount` if the credit is at least that large. Returns whether it did.
fn subtract(credit: &Atomic<i64>, amount: i64) -> bool {
    let mut found = credit.load(Relaxed);
    while found >= amount {
        // mutant: take-own-credit
        match credit.cmpxchg(found, found - amount, Relaxed) {
            Ok(_) => return true,
            Err(other) => found = other,
        }
    }
    false
}
