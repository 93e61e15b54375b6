// SPDX-License-Identifier: GPL-2.0-only

//! An open-addressing index: from a hash to the number of a record kept elsewhere.

use kernel::alloc::{AllocError, Flags, KVVec};

const EMPTY: u32 = u32::MAX;

/// Linear probing over 4-byte record numbers, at most 3/4 full. The keys stay with the records; the
/// caller compares them.
///
/// # Invariants
///
/// `slots.len()` is 0 or a power of two, and more than `used`.
pub struct Index {
    slots: KVVec<u32>,
    used: usize,
}

/// Where a lookup ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexLookup {
    /// The record with this number matches.
    Found(u32),
    /// No record matches; this is where one that does belongs.
    Vacant(Vacancy),
}

/// A place for one record, valid until the index changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vacancy(usize);

impl Index {
    /// An index without memory and without room.
    pub const fn new() -> Self {
        // INVARIANT: no slots, none used.
        Self {
            slots: KVVec::new(),
            used: 0,
        }
    }

    /// How many records it takes before it must grow.
    pub fn room(&self) -> usize {
        Self::usable(self.slots.len()).saturating_sub(self.used)
    }

    /// Forgets all records. Keeps the memory, unless it is far more than they needed: one large set
    /// must not make every small one after it pay for wiping the large one's slots.
    pub fn clear(&mut self) {
        // INVARIANT: none used, and an empty `KVVec` has no slots.
        if self.slots.len() > self.used.saturating_mul(16) {
            self.slots = KVVec::new();
        } else {
            self.slots.fill(EMPTY);
        }
        self.used = 0;
    }

    /// Makes room for `additional` more records, allocating and rehashing by `hash_of` where it must.
    /// At least doubles, so that the rehashing amounts to a constant per record.
    ///
    /// # Errors
    ///
    /// Without memory the index is as it was.
    pub fn reserve(
        &mut self,
        additional: usize,
        flags: Flags,
        hash_of: impl Fn(u32) -> u64,
    ) -> Result<(), AllocError> {
        if self.room() >= additional {
            return Ok(());
        }
        let wanted = self.used.checked_add(additional).ok_or(AllocError)?;
        let mut len = self.slots.len().max(8);
        while Self::usable(len) < wanted {
            len = len.checked_mul(2).ok_or(AllocError)?;
        }
        // INVARIANT: a power of two, with more slots than are used.
        let mut grown = Self {
            slots: KVVec::from_elem(EMPTY, len, flags)?,
            used: 0,
        };
        for record in self.slots.iter().copied().filter(|slot| *slot != EMPTY) {
            if let Some(IndexLookup::Vacant(place)) = grown.find(hash_of(record), |_| false) {
                grown.fill(place, record);
            }
        }
        *self = grown;
        Ok(())
    }

    /// Looks for the record that `matches`, among those whose hash may be `hash`. `None` when there
    /// is neither a match nor room for one.
    pub fn find(&self, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<IndexLookup> {
        let mask = self.slots.len().checked_sub(1)?;
        // The high half: the multiplicative hash is best there.
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let record = *self.slots.get(at)?;
            if record == EMPTY {
                return (self.room() > 0).then_some(IndexLookup::Vacant(Vacancy(at)));
            }
            if matches(record) {
                return Some(IndexLookup::Found(record));
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts a record where [`Self::find`] said that it belongs.
    pub fn fill(&mut self, place: Vacancy, record: u32) {
        if let Some(slot) = self.slots.get_mut(place.0) {
            // INVARIANT: a vacancy is only handed out while there is room.
            self.used += usize::from(*slot == EMPTY);
            *slot = record;
        }
    }

    fn usable(slots: usize) -> usize {
        slots / 4 * 3
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}
