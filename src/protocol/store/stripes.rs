// SPDX-License-Identifier: GPL-2.0-only

//! Locks for writers, each for a part of the keys, and what readers need to see several keys at one
//! moment.
//!
//! A stripe's *generation* is odd while its keys change. Readers who look at several keys compare
//! generations before and after, as with the kernel's `seqlock_t`, and look again if they differ.
//!
//! # Lock order
//!
//! Stripes in ascending order.

use crate::store::backlog::Backlog;
use compat::barrier::{smp_mb, Read, Write};
use kernel::alloc::{AllocError, Flags, KVVec, KVec};
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};

/// A lock that does not sleep, of which a thread may hold many.
pub trait Lock: Send + Sync + Sized + 'static {
    /// Held, until it is dropped.
    type Guard<'l>
    where
        Self: 'l;
    /// For as long as a thread takes one lock after the other, in ascending order.
    type Order;

    /// Free. It may be moved until it is first shared.
    fn new() -> Self;

    /// As [`Self::new`], one that is taken by itself, after those that are held.
    fn innermost() -> Self;

    /// Takes this lock and no other one of its kind.
    fn lock(&self) -> Self::Guard<'_>;

    /// Begins to take locks.
    fn in_order() -> Self::Order;

    /// Takes this lock beside those taken before.
    fn lock_next<'l>(&'l self, order: &'l Self::Order) -> Self::Guard<'l>;
}

/// The most stripes that there can be.
pub const MAX_STRIPES: usize = 128;

/// Some of a store's stripes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StripeSet(u128);

impl StripeSet {
    /// With those of another set.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// How many they are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// True if it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their numbers, ascending.
    fn numbers(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let number = left.trailing_zeros();
            // Without its lowest bit; `None` if it has none.
            left &= left.checked_sub(1)?;
            Some(number as usize)
        })
    }
}

/// All that writers of the same keys change has a cache line with their lock: who has locked it has it.
#[repr(align(64))]
struct Stripe<L> {
    lock: L,
    generation: Atomic<u32>,
    credit: Credit,
    backlog: Backlog,
}

/// What a stripe has of the store's limits.
pub(crate) struct Credit {
    pub(crate) entries: Atomic<i64>,
    pub(crate) bytes: Atomic<i64>,
}

/// All stripes of a store.
///
/// The keys of one stripe are those whose hashes have the same highest bits.
pub struct Stripes<L> {
    stripes: KVVec<Stripe<L>>,
    shift: u32,
}

impl<L: Lock> Stripes<L> {
    /// At least `number` stripes: the next power of two, from two to [`MAX_STRIPES`]. May sleep if
    /// `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
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

    /// The number of the stripe of a key. Smaller than that of the stripes, by the shift.
    fn number(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    /// The stripe of a key.
    pub fn of(&self, hash: u32) -> StripeSet {
        StripeSet(1 << self.number(hash))
    }

    /// All of them.
    pub fn all(&self) -> StripeSet {
        let others = MAX_STRIPES.saturating_sub(self.stripes.len());
        StripeSet(u128::MAX >> others)
    }

    fn each(&self, set: StripeSet) -> impl Iterator<Item = &Stripe<L>> {
        set.numbers().filter_map(|number| self.stripes.get(number))
    }

    /// The credit of the first stripe of a set.
    pub(crate) fn credit(&self, set: StripeSet) -> Option<&Credit> {
        self.each(set).map(|stripe| &stripe.credit).next()
    }

    /// The backlog of the first stripe of a set.
    pub(crate) fn backlog(&self, set: StripeSet) -> Option<&Backlog> {
        self.each(set).map(|stripe| &stripe.backlog).next()
    }

    /// The credit of all.
    pub(crate) fn credits(&self) -> impl Iterator<Item = &Credit> {
        self.stripes.iter().map(|stripe| &stripe.credit)
    }

    /// Runs `step` with these stripes locked. Nothing in it may sleep. What comes before it may if
    /// `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory for as many guards as there are stripes; for one there always is.
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
        // Dropped after the guards, and begun after the allocation.
        let order;
        let mut guards = KVec::with_capacity(set.len(), flags)?;
        order = L::in_order();
        for stripe in self.each(set) {
            // There is room: nothing is allocated.
            // mutant: lock-stripes
            guards.push(stripe.lock.lock_next(&order), flags)?;
        }
        let result = step();
        drop(guards);
        Ok(result)
    }

    /// Marks these stripes, which the caller has locked, as changing for the time of `change`.
    pub fn change<R>(&self, set: StripeSet, change: impl FnOnce() -> R) -> R {
        // mutant: mark-begin
        for stripe in self.each(set) {
            let generation = stripe.generation.load(Relaxed);
            stripe.generation.store(generation.wrapping_add(1), Relaxed);
        }
        // The marks before the changes: who sees one of these sees the marks too.
        smp_mb(Write);
        // mutant: marked-change
        let result = change();
        for stripe in self.each(set) {
            let generation = stripe.generation.load(Relaxed);
            // Pairs with the acquire in `generations`: who sees this sees the changes.
            // mutant: mark-end
            stripe.generation.store(generation.wrapping_add(1), Release);
        }
        result
    }

    /// The sum of the generations of these stripes, or `None` while one of them changes. The same sum
    /// twice means that nothing has changed meanwhile.
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

    /// Runs `look` until nothing in these stripes has changed during it, at most `attempts` times. The
    /// result of that run, or `None`.
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
            // What was seen comes before the generations of afterwards. Pairs with the barrier in `change`.
            smp_mb(Read);
            // mutant: same-generations
            if self.generations(set) == Some(before) {
                return Some(seen);
            }
        }
        None
    }

    /// A number that grows with each change of any key.
    pub fn version(&self) -> u32 {
        self.sum_of_generations(|generation| generation)
    }

    /// The number that [`Self::version`] will be when the changes of this moment are done. If it is that
    /// of before, nothing that was looked at between the two has changed meanwhile.
    pub fn next_version(&self) -> u32 {
        // What was looked at comes before. Pairs with the barrier in `change`.
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
