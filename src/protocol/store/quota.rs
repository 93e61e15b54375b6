// SPDX-License-Identifier: GPL-2.0-only

//! A limit that many writers share without sharing a cache line.
//!
//! What is left lies in a pool and, in portions, with the stripes: a writer takes from its stripe's
//! credit. Without enough there, it refills it from the pool, and from the others' credits when the pool
//! is empty, so nobody is refused as long as there is enough in all.
//!
//! # Lock order
//!
//! The stripes' locks, then a quota's.

use crate::store::stripes::Lock;
use kernel::sync::atomic::{Atomic, Relaxed};

/// How much there may be of something.
pub struct Quota<L> {
    limit: i64,
    /// How much a stripe gets at a time, beyond what it needs.
    portion: i64,
    /// For whoever moves credit from one place to another.
    moving: L,
    pool: Atomic<i64>,
}

impl<L: Lock> Quota<L> {
    /// `limit`, all of it left.
    pub fn new(limit: u64, portion: i64) -> Self {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Self {
            limit,
            portion,
            moving: L::innermost(),
            pool: Atomic::new(limit),
        }
    }

    /// Takes `amount` if there is as much, in `own` credit or elsewhere. Who calls it has locked the
    /// stripe of `own`. Does not sleep.
    pub fn take<'c, I: Iterator<Item = &'c Atomic<i64>>>(
        &self,
        amount: i64,
        own: &Atomic<i64>,
        all: impl FnOnce() -> I,
    ) -> bool {
        amount <= 0 || subtract(own, amount) || self.refill(amount, own, all())
    }

    /// As [`Self::take`], with the lock under which credit moves: what is nowhere meanwhile, only its
    /// holder has.
    fn refill<'c>(
        &self,
        amount: i64,
        own: &Atomic<i64>,
        all: impl Iterator<Item = &'c Atomic<i64>>,
    ) -> bool {
        // mutant: move-credit
        let _moving = self.moving.lock();
        let mut hand = own.xchg(0, Relaxed);
        if hand < amount {
            // Nobody else takes from the pool.
            let wanted = amount.saturating_sub(hand).saturating_add(self.portion);
            let moved = self.pool.load(Relaxed).min(wanted);
            self.pool.fetch_sub(moved, Relaxed);
            hand = hand.saturating_add(moved);
        }
        if hand < amount {
            for credit in all {
                // mutant: collect-credit
                hand = hand.saturating_add(credit.xchg(0, Relaxed));
            }
        }
        // mutant: quota-limit
        let is_enough = hand >= amount;
        if is_enough {
            hand = hand.saturating_sub(amount);
        }
        own.add(hand, Relaxed);
        is_enough
    }

    /// Gives back what was taken, to `own` credit or, where that has plenty, to the pool.
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

    /// Gives back all that ever was taken. Who calls it has locked all stripes.
    pub fn give_all<'c>(&self, all: impl Iterator<Item = &'c Atomic<i64>>) {
        let _moving = self.moving.lock();
        for credit in all {
            credit.store(0, Relaxed);
        }
        self.pool.store(self.limit, Relaxed);
    }
}

/// Subtracts if there is as much.
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
