// SPDX-License-Identifier: GPL-2.0-only

//! A lock-free open-addressing table of 64-bit words, which several threads fill at once.
//!
//! While the table is shared, words are added and changed but never removed. So a probe sequence that
//! ends at a vacant slot has met every word of its home, and the thread that fills this slot by
//! compare-and-exchange is the only one that does. There is no lock, and no counter that each insertion
//! would update. Growing and clearing take the table by `&mut`.
//!
//! A word's home is a slot in a cache line of eight; a probe sequence that finds the line full continues
//! in the next one. The table consists of shards that grow one after the other, so that the old and the
//! new copy of the whole table never exist at the same time.

use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed};

/// The word of a vacant slot.
pub const VACANT: u64 = 0;

const WORDS_PER_LINE: usize = 8;
const SHARD_BITS: u32 = 4;
/// Number of shards, each of which grows by itself. The top bits of a word's home select the shard.
pub const SHARDS: usize = 1 << SHARD_BITS;
/// Length of a probe sequence in lines. If all of them are full, the table counts as full.
const MAX_PROBED_LINES: usize = 32;
/// The table counts as full when this part of its slots is occupied.
const MAX_LOAD: (usize, usize) = (3, 4);
/// The least factor by which the table grows.
const GROWTH: usize = 2;

#[repr(align(64))]
struct Line([Atomic<u64>; WORDS_PER_LINE]);

impl Line {
    fn vacant() -> Self {
        Self(core::array::from_fn(|_| Atomic::new(VACANT)))
    }
}

type Shard = KVVec<Line>;

/// The table is full at the home of a word. The caller calls `grow` where it may allocate, and tries
/// again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableFull;

/// A slot of the table, and the word that a load found in it.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    slot: &'a Atomic<u64>,
    word: u64,
}

impl Slot<'_> {
    /// Returns the word that was found.
    pub fn word(self) -> u64 {
        self.word
    }

    /// Re-reads the word with acquire ordering. Use this before following the word to other memory; it
    /// pairs with the release half of [`Self::replace`].
    pub fn acquire(self) -> Self {
        self.with_word(self.slot.load(Acquire))
    }

    /// Re-reads the word without ordering.
    pub fn reload(self) -> Self {
        self.with_word(self.slot.load(Relaxed))
    }

    /// Returns the same slot with another word that was found in it.
    pub fn with_word(self, word: u64) -> Self {
        Self { word, ..self }
    }

    /// Replaces the word if the slot still holds it. Fully ordered on success.
    ///
    /// # Errors
    ///
    /// Returns the word that the slot holds instead.
    pub fn replace(self, new: u64) -> Result<(), u64> {
        // mutant: replace-word
        self.slot.cmpxchg(self.word, new, Full).map(|_| ())
    }
}

/// The slot at which a lookup ended.
pub enum Lookup<'a> {
    /// It holds a word that matches.
    Found(Slot<'a>),
    /// It is vacant, and a word that matches belongs there.
    Vacant(Slot<'a>),
}

/// A set of words that several threads add to without a lock: see the head of this file.
pub struct WordTable {
    shards: [Shard; SHARDS],
    /// Number of words at which the table counts as full.
    usable: usize,
    /// Number of words, as counted by [`Self::add_to_len`].
    len: Atomic<usize>,
}

impl WordTable {
    /// Creates a table without memory and without room.
    pub fn new() -> Self {
        Self {
            shards: [const { Shard::new() }; SHARDS],
            usable: 0,
            len: Atomic::new(0),
        }
    }

    /// Returns the number of words that can be added before the table should grow.
    pub fn room(&self) -> usize {
        self.usable.saturating_sub(self.occupied())
    }

    /// Returns the number of words, as counted by [`Self::add_to_len`].
    pub fn occupied(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Counts words that the caller has added. A caller counts many at once: threads that counted each
    /// insertion would contend for this counter.
    pub fn add_to_len(&self, words: usize) {
        self.len.fetch_add(words, Relaxed);
    }

    /// Makes room for `additional` more words. `home_of` returns the home of a word, by which the
    /// existing words are moved. The table at least doubles. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table holds the same words.
    pub fn reserve(
        &mut self,
        additional: usize,
        flags: Flags,
        home_of: impl Fn(u64) -> u64,
    ) -> Result<(), AllocError> {
        if self.room() >= additional {
            return Ok(());
        }
        let occupied = self.occupied();
        let words = occupied.checked_add(additional).ok_or(AllocError)?;
        self.resize(words.max(occupied.saturating_mul(GROWTH)), flags, home_of)
    }

    /// Makes room after [`TableFull`], even if [`Self::room`] is not 0. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table holds the same words.
    pub fn grow(&mut self, flags: Flags, home_of: impl Fn(u64) -> u64) -> Result<(), AllocError> {
        let words = self.usable.checked_mul(GROWTH).ok_or(AllocError)?;
        self.resize(words + SHARDS, flags, home_of)
    }

    fn resize(
        &mut self,
        words: usize,
        flags: Flags,
        home_of: impl Fn(u64) -> u64,
    ) -> Result<(), AllocError> {
        let slots = words.checked_mul(MAX_LOAD.1).ok_or(AllocError)? / MAX_LOAD.0;
        let lines = slots / (SHARDS * WORDS_PER_LINE) + 1;
        for shard in &mut self.shards {
            if shard.len() < lines {
                let mut grown = Shard::with_capacity(lines, flags)?;
                for _ in 0..lines {
                    let pushed = grown.push_within_capacity(Line::vacant());
                    pushed.map_err(|_| AllocError)?;
                }
                for word in words_of(shard) {
                    match find_in(&grown, home_of(word), lines, |_| false) {
                        Some(Lookup::Vacant(slot)) => slot.slot.store(word, Relaxed),
                        _ => return Err(AllocError),
                    }
                }
                *shard = grown;
            }
        }
        // Not less than was requested, or a caller that waits for room would never end.
        self.usable = lines * SHARDS * WORDS_PER_LINE * MAX_LOAD.0 / MAX_LOAD.1;
        Ok(())
    }

    /// Looks for a word for which `matches` returns true, among those of this home and its neighbours.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`] if there is neither such a word nor a vacant slot for one.
    pub fn find(
        &self,
        home: u64,
        matches: impl FnMut(Slot<'_>) -> bool,
    ) -> Result<Lookup<'_>, TableFull> {
        let shard = self.shard(home).ok_or(TableFull)?;
        find_in(shard, home, MAX_PROBED_LINES, matches).ok_or(TableFull)
    }

    /// Fetches the cache line of a home from memory, without waiting for it.
    pub fn prefetch(&self, home: u64) {
        if let Some(shard) = self.shard(home) {
            let (line, start) = home_slot(home, shard.len());
            if let Some(slot) = shard.get(line).and_then(|line| line.0.get(start)) {
                // Nothing depends on the value, so the processor does not wait for it.
                slot.load(Relaxed);
            }
        }
    }

    /// Returns all words.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.shards.iter().flat_map(words_of)
    }

    /// Removes all words. Keeps the memory, unless it is much more than the words needed: after one
    /// large set, clearing must not cost every small set as much.
    pub fn clear(&mut self) {
        let occupied = self.occupied();
        if self.usable
            > occupied
                .saturating_mul(16)
                .saturating_add(SHARDS * WORDS_PER_LINE)
        {
            *self = Self::new();
            return;
        }
        for line in self.shards.iter().flatten() {
            for word in &line.0 {
                word.store(VACANT, Relaxed);
            }
        }
        self.len.store(0, Relaxed);
    }

    fn shard(&self, home: u64) -> Option<&Shard> {
        self.shards.get((home >> (u64::BITS - SHARD_BITS)) as usize)
    }
}

impl Default for WordTable {
    fn default() -> Self {
        Self::new()
    }
}

fn words_of(shard: &Shard) -> impl Iterator<Item = u64> + '_ {
    // Unordered: the caller is ordered after all threads that added words.
    let slots = shard.iter().flat_map(|line| &line.0);
    let words = slots.map(|slot| slot.load(Relaxed));
    words.filter(|word| *word != VACANT)
}

fn find_in(
    shard: &Shard,
    home: u64,
    max_lines: usize,
    mut matches: impl FnMut(Slot<'_>) -> bool,
) -> Option<Lookup<'_>> {
    let (mut at, start) = home_slot(home, shard.len());
    for _ in 0..max_lines.min(shard.len()) {
        let line = &shard.get(at)?.0;
        for step in 0..WORDS_PER_LINE {
            let slot = line.get((start + step) % WORDS_PER_LINE)?;
            // Unordered, since most words do not match and an acquire is a fence on some architectures.
            let word = slot.load(Relaxed);
            let slot = Slot { slot, word };
            if word == VACANT {
                return Some(Lookup::Vacant(slot));
            }
            if matches(slot) {
                return Some(Lookup::Found(slot));
            }
        }
        at = if at + 1 == shard.len() { 0 } else { at + 1 };
    }
    None
}

/// Returns the line at which a probe sequence begins, and the slot at which it begins in each line. The
/// bits below the shard's are scaled to the number of slots, so that growing keeps the order of homes.
fn home_slot(home: u64, lines: usize) -> (usize, usize) {
    let slots = (lines * WORDS_PER_LINE) as u64;
    let scaled = (home << SHARD_BITS >> 32).wrapping_mul(slots) >> 32;
    let scaled = scaled as usize;
    (scaled / WORDS_PER_LINE, scaled % WORDS_PER_LINE)
}
