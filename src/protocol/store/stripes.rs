// SPDX-License-Identifier: GPL-2.0-only

//! Striped locks: one lock for each part of the keys, and sequence counts for readers of several keys.
//!
//! # Lock order
//!
//! Stripes in ascending order.

use crate::store::backlog::Backlog;
use compat::barrier::{smp_mb, Read, Write};
use kernel::alloc::{AllocError, Flags, KVVec, KVec};
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};

/// A lock that does not sleep and of which a thread may hold many.
pub trait Lock: Send + Sync + Sized + 'static {
    /// A guard, which releases the lock when it is dropped.
    type Guard<'l>
    where
        Self: 'l;
    /// Exists while a thread takes several locks in ascending order.
    type Order;

    /// Creates an unlocked lock, which may be moved until it is first shared.
    fn new() -> Self;

    /// As [`Self::new`], for a lock that is taken while others of the kind are held.
    fn innermost() -> Self;

    /// Takes this lock alone, or an innermost one.
    fn lock(&self) -> Self::Guard<'_>;

    /// Begins to take several locks.
    fn in_order() -> Self::Order;

    /// Takes this lock after those taken in the same order.
    fn lock_next<'l>(&'l self, order: &'l Self::Order) -> Self::Guard<'l>;
}

/// The maximum number of stripes.
pub const MAX_STRIPES: usize = 128;

/// A set of stripes, by their indices.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StripeSet(u128);

impl StripeSet {
    /// Returns the union with another set.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the number of stripes.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Tells whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the indices in ascending order.
    fn numbers(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let number = left.trailing_zeros();
            // Clears the lowest bit; ends if no bit is left.
            left &= left.checked_sub(1)?;
            Some(number as usize)
        })
    }
}

/// One stripe: its lock and everything that the holder writes, on one cache line, so that taking the lock
/// fetches the rest as well.
#[repr(align(64))]
struct Stripe<L> {
    lock: L,
    /// Odd while the stripe's keys change.
    generation: Atomic<u32>,
    credit: Credit,
    backlog: Backlog,
}

/// The parts of the store's limits that a stripe may use: see [`Quota`](super::quota::Quota).
pub(crate) struct Credit {
    pub(crate) entries: Atomic<i64>,
    pub(crate) bytes: Atomic<i64>,
}

/// The locks of a store's writers.
///
/// The keys are divided into stripes by the highest bits of their hashes. A writer holds the locks of the
/// stripes of all keys that it changes ([`Self::locked`]), so that writers of different stripes run
/// concurrently.
///
/// Readers take no lock. For readers of several keys, each stripe has a *generation* that is odd while
/// its keys change, like the sequence count of the kernel's `seqlock_t`. The reader compares the
/// generations before and after, and looks again if they differ ([`Self::unchanged`]).
///
/// # Examples
///
/// ```
/// use kernel::alloc::flags::GFP_KERNEL;
/// use protocol::store::stripes::{Lock, Stripes};
/// use std::sync::{Mutex, MutexGuard};
///
/// struct SpinLock(Mutex<()>);
///
/// impl Lock for SpinLock {
///     type Guard<'l> = MutexGuard<'l, ()>;
///     type Order = ();
///
///     fn new() -> Self {
///         Self(Mutex::new(()))
///     }
///
///     fn innermost() -> Self {
///         Self::new()
///     }
///
///     fn lock(&self) -> MutexGuard<'_, ()> {
///         self.0.lock().unwrap()
///     }
///
///     fn in_order() {}
///
///     fn lock_next<'l>(&'l self, _order: &'l ()) -> MutexGuard<'l, ()> {
///         self.lock()
///     }
/// }
///
/// let stripes = Stripes::<SpinLock>::new(4, GFP_KERNEL).unwrap();
/// let both = stripes.of(0).with(stripes.of(u32::MAX));
/// assert_eq!(both.len(), 2);
///
/// let version = stripes.version();
/// let written = stripes.locked(both, GFP_KERNEL, || stripes.change(both, || "changed"));
/// assert_eq!(written, Ok("changed"));
/// assert_ne!(stripes.version(), version);
/// assert_eq!(stripes.unchanged(both, 1, || "seen"), Some("seen"));
/// ```
pub struct Stripes<L> {
    stripes: KVVec<Stripe<L>>,
    shift: u32,
}

impl<L: Lock> Stripes<L> {
    /// Creates at least `number` stripes: the next power of two, from two to [`MAX_STRIPES`]. May sleep if
    /// `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(number: usize, flags: Flags) -> Result<Self, AllocError> {
        let number = number.clamp(2, MAX_STRIPES).next_power_of_two();
        let mut stripes = KVVec::with_capacity(number, flags)?;
        for _ in 0..number {
            let stripe = Stripe {
                lock: L::new(),
                generation: Atomic::new(0),
                credit: Credit {
                    entries: Atomic::new(0),
                    bytes: Atomic::new(0),
                },
                backlog: Backlog::empty(),
            };
            stripes.push(stripe, flags)?;
        }
        Ok(Self {
            stripes,
            shift: u32::BITS - number.trailing_zeros(),
        })
    }

    /// Returns the index of a key's stripe. The shift keeps it below `stripes.len()`.
    fn index(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    /// Returns the stripe of a key, by the key's hash.
    pub fn of(&self, hash: u32) -> StripeSet {
        StripeSet(1 << self.index(hash))
    }

    /// Returns the set of all stripes.
    pub fn all(&self) -> StripeSet {
        let others = MAX_STRIPES.saturating_sub(self.stripes.len());
        StripeSet(u128::MAX >> others)
    }

    fn each(&self, set: StripeSet) -> impl Iterator<Item = &Stripe<L>> {
        set.numbers().filter_map(|number| self.stripes.get(number))
    }

    /// Returns the credit of the first stripe of a set.
    pub(crate) fn credit(&self, set: StripeSet) -> Option<&Credit> {
        self.each(set).map(|stripe| &stripe.credit).next()
    }

    /// Returns the backlog of the first stripe of a set.
    pub(crate) fn backlog(&self, set: StripeSet) -> Option<&Backlog> {
        self.each(set).map(|stripe| &stripe.backlog).next()
    }

    /// Returns the credits of all stripes.
    pub(crate) fn credits(&self) -> impl Iterator<Item = &Credit> {
        self.stripes.iter().map(|stripe| &stripe.credit)
    }

    /// Runs `step`, which must not sleep, with the locks of these stripes held. May sleep before that if
    /// `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if there is no memory for the guards. One stripe needs none.
    pub fn locked<R>(
        &self,
        set: StripeSet,
        flags: Flags,
        step: impl FnOnce() -> R,
    ) -> Result<R, AllocError> {
        let mut stripes = self.each(set);
        if let (Some(only), None) = (stripes.next(), stripes.next()) {
            // mutant: lock-one-stripe
            let _guard = only.lock.lock();
            return Ok(step());
        }
        // Declared here to be dropped after the guards; begun after the allocation.
        let order;
        let mut guards = KVec::with_capacity(set.len(), flags)?;
        order = L::in_order();
        for stripe in self.each(set) {
            // Within the capacity: this does not allocate.
            // mutant: lock-stripes
            guards.push(stripe.lock.lock_next(&order), flags)?;
        }
        let result = step();
        drop(guards);
        Ok(result)
    }

    /// Marks these stripes, whose locks the caller holds, as changing while `change` runs.
    pub fn change<R>(&self, set: StripeSet, change: impl FnOnce() -> R) -> R {
        // mutant: mark-begin
        for stripe in self.each(set) {
            let generation = stripe.generation.load(Relaxed);
            stripe.generation.store(generation.wrapping_add(1), Relaxed);
        }
        // Orders the marks before the changes: a reader that sees a change sees its mark.
        smp_mb(Write);
        // mutant: marked-change
        let result = change();
        for stripe in self.each(set) {
            let generation = stripe.generation.load(Relaxed);
            // Pairs with the acquire in `generations`: a reader that sees this sees the changes.
            // mutant: mark-end
            stripe.generation.store(generation.wrapping_add(1), Release);
        }
        result
    }

    /// Returns the sum of the generations of these stripes, or `None` while one of them changes. If two
    /// calls return the same sum, nothing changed between them.
    fn generations(&self, set: StripeSet) -> Option<u32> {
        let mut sum = 0_u32;
        for stripe in self.each(set) {
            let generation = stripe.generation.load(Acquire);
            // mutant: odd-generation
            if generation % 2 != 0 {
                return None;
            }
            sum = sum.wrapping_add(generation);
        }
        Some(sum)
    }

    /// Runs `look` until no key of these stripes changes during it, at most `attempts` times. Returns the
    /// result of that run, or `None`. Takes no lock.
    pub fn unchanged<R>(
        &self,
        set: StripeSet,
        attempts: usize,
        mut look: impl FnMut() -> R,
    ) -> Option<R> {
        for _ in 0..attempts {
            let Some(before) = self.generations(set) else {
                continue;
            };
            let seen = look();
            // Orders the reads of `look` before those of the generations. Pairs with the barrier in
            // `change`.
            smp_mb(Read);
            // mutant: same-generations
            if self.generations(set) == Some(before) {
                return Some(seen);
            }
        }
        None
    }

    /// Returns a number that grows with each change of any key.
    pub fn version(&self) -> u32 {
        self.sum_of_generations(|generation| generation)
    }

    /// Returns the value that [`Self::version`] will have once all changes now in progress have finished.
    /// If it equals a `version()` taken earlier, nothing read in between has changed.
    pub fn next_version(&self) -> u32 {
        // Orders the caller's reads before those of the generations. Pairs with the barrier in `change`.
        smp_mb(Read);
        // mutant: next-version
        self.sum_of_generations(|generation| generation.wrapping_add(generation % 2))
    }

    fn sum_of_generations(&self, counts: impl Fn(u32) -> u32) -> u32 {
        self.stripes.iter().fold(0, |sum: u32, stripe| {
            sum.wrapping_add(counts(stripe.generation.load(Acquire)))
        })
    }
}
