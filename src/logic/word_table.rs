// SPDX-License-Identifier: GPL-2.0-only

//! An open-addressing table of 64-bit words that many fill at once.
//!
//! Words are only added while the table is shared: a probe sequence that ended at a vacant place has
//! met all there was, and whoever fills that place by compare-and-exchange is the only one. No lock, and
//! no counter that each insertion would touch. Growing and clearing take the table for themselves.
//!
//! A word's home is a place in a cache line of eight; a full line goes over into the next one. The table is in
//! shards that grow one by one, so that the old and the new copy of a whole table never exist together.

use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed};

/// The word of a vacant place.
pub const VACANT: u64 = 0;

const WORDS_PER_LINE: usize = 8;
const SHARD_BITS: u32 = 4;
/// Parts of the table that grow by themselves, by the top bits of a word's home.
pub const SHARDS: usize = 1 << SHARD_BITS;
/// Lines that one probe sequence looks at; beyond them the table counts as full.
const MAX_PROBED_LINES: usize = 32;
/// A table is called full when this part of its places is taken.
const MAX_LOAD: (usize, usize) = (3, 4);
/// At least by how much it grows.
const GROWTH: usize = 2;

#[repr(align(64))]
struct Line([Atomic<u64>; WORDS_PER_LINE]);

impl Line {
    fn vacant() -> Self {
        Self(core::array::from_fn(|_| Atomic::new(VACANT)))
    }
}

type Shard = KVVec<Line>;

/// The table is full here: call `reserve` where memory may be allocated, and try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// A place in the table and the word that was seen there.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    place: &'a Atomic<u64>,
    word: u64,
}

impl Place<'_> {
    /// The word that was seen.
    pub fn word(self) -> u64 {
        self.word
    }

    /// The same place, for who goes on from its word to other memory: sees what was done there before
    /// [`Self::replace`] put the word there.
    pub fn acquire(self) -> Self {
        self.with_word(self.place.load(Acquire))
    }

    /// The same place, and the word that is there now.
    pub fn reload(self) -> Self {
        self.with_word(self.place.load(Relaxed))
    }

    /// The same place, where another word was seen meanwhile.
    pub fn with_word(self, word: u64) -> Self {
        Self { word, ..self }
    }

    /// Replaces the word if it is still the one that was seen.
    ///
    /// # Errors
    ///
    /// Gives the word that is there instead.
    pub fn replace(self, new: u64) -> Result<(), u64> {
        // mutant: replace-word
        self.place.cmpxchg(self.word, new, Full).map(|_| ())
    }
}

/// Where a lookup ended.
pub enum Lookup<'a> {
    /// At a word that matches.
    Found(Place<'a>),
    /// At a vacant place where one that matches belongs.
    Vacant(Place<'a>),
}

/// The table.
pub struct WordTable {
    shards: [Shard; SHARDS],
    /// Words that it takes before it must grow.
    usable: usize,
    /// Words in it, as far as [`Self::count_filled`] was told.
    filled: Atomic<usize>,
}

impl WordTable {
    /// A table without memory and without room.
    pub fn new() -> Self {
        Self {
            shards: [const { Shard::new() }; SHARDS],
            usable: 0,
            filled: Atomic::new(0),
        }
    }

    /// How many more words it takes before it should grow.
    pub fn room(&self) -> usize {
        self.usable.saturating_sub(self.filled())
    }

    /// Words in it, as far as [`Self::count_filled`] was told.
    pub fn filled(&self) -> usize {
        self.filled.load(Relaxed)
    }

    /// Counts places that the caller has filled. Not done at each one, since all would meet here.
    pub fn count_filled(&self, words: usize) {
        self.filled.fetch_add(words, Relaxed);
    }

    /// Makes room for `additional` more words, moving those that are there by their home. May sleep if
    /// `flags` do. Growing is geometric.
    ///
    /// # Errors
    ///
    /// Without memory the table holds what it held.
    pub fn reserve(
        &mut self,
        additional: usize,
        flags: Flags,
        home_of: impl Fn(u64) -> u64,
    ) -> Result<(), AllocError> {
        if self.room() >= additional {
            return Ok(());
        }
        let filled = self.filled();
        let words = filled.checked_add(additional).ok_or(AllocError)?;
        self.resize(words.max(filled.saturating_mul(GROWTH)), flags, home_of)
    }

    /// Makes room after [`NoRoom`], wherever it was missing.
    ///
    /// # Errors
    ///
    /// As [`Self::reserve`].
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
        let places = words.checked_mul(MAX_LOAD.1).ok_or(AllocError)? / MAX_LOAD.0;
        let lines = places / (SHARDS * WORDS_PER_LINE) + 1;
        for shard in &mut self.shards {
            if shard.len() < lines {
                let mut grown = Shard::with_capacity(lines, flags)?;
                for _ in 0..lines {
                    let pushed = grown.push_within_capacity(Line::vacant());
                    pushed.map_err(|_| AllocError)?;
                }
                for word in words_of(shard) {
                    match find_in(&grown, home_of(word), lines, |_| false) {
                        Some(Lookup::Vacant(place)) => place.place.store(word, Relaxed),
                        _ => return Err(AllocError),
                    }
                }
                *shard = grown;
            }
        }
        // Not less than was asked for, or the caller would ask for ever.
        self.usable = lines * SHARDS * WORDS_PER_LINE * MAX_LOAD.0 / MAX_LOAD.1;
        Ok(())
    }

    /// Looks for a word that `matches`, among those of this home and others.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when there is neither a match nor a place for one.
    pub fn find(
        &self,
        home: u64,
        matches: impl FnMut(Place<'_>) -> bool,
    ) -> Result<Lookup<'_>, NoRoom> {
        let shard = self.shard(home).ok_or(NoRoom)?;
        find_in(shard, home, MAX_PROBED_LINES, matches).ok_or(NoRoom)
    }

    /// Has the processor fetch the home's line.
    pub fn touch(&self, home: u64) {
        if let Some(shard) = self.shard(home) {
            let (line, start) = home_place(home, shard.len());
            if let Some(place) = shard.get(line).and_then(|line| line.0.get(start)) {
                // Nothing waits for the value.
                place.load(Relaxed);
            }
        }
    }

    /// All words. Vacant places are left out.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        (0..SHARDS).flat_map(|shard| self.words_of_shard(shard))
    }

    /// The words of one shard.
    pub fn words_of_shard(&self, shard: usize) -> impl Iterator<Item = u64> + '_ {
        self.shards.get(shard).into_iter().flat_map(words_of)
    }

    /// Forgets all words. Keeps the memory, unless it is far more than they needed: one large set must
    /// not make every small one after it pay for wiping the large one's places.
    pub fn clear(&mut self) {
        let filled = self.filled();
        if self.usable
            > filled
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
        self.filled.store(0, Relaxed);
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
    // No order: whoever goes through all words has seen those who filled them end.
    let places = shard.iter().flat_map(|line| &line.0);
    let words = places.map(|place| place.load(Relaxed));
    words.filter(|word| *word != VACANT)
}

fn find_in(
    shard: &Shard,
    home: u64,
    max_lines: usize,
    mut matches: impl FnMut(Place<'_>) -> bool,
) -> Option<Lookup<'_>> {
    let (mut at, start) = home_place(home, shard.len());
    for _ in 0..max_lines.min(shard.len()) {
        let line = &shard.get(at)?.0;
        for step in 0..WORDS_PER_LINE {
            let place = line.get((start + step) % WORDS_PER_LINE)?;
            // Most words that are met are others: no order, which some architectures have fences for.
            let word = place.load(Relaxed);
            let place = Place { place, word };
            if word == VACANT {
                return Some(Lookup::Vacant(place));
            }
            if matches(place) {
                return Some(Lookup::Found(place));
            }
        }
        at = if at + 1 == shard.len() { 0 } else { at + 1 };
    }
    None
}

/// The line where a probe sequence begins, and the place in each line where it does: by the bits below
/// the shard's, scaled to the number of places, so that growing keeps the order of homes.
fn home_place(home: u64, lines: usize) -> (usize, usize) {
    let places = (lines * WORDS_PER_LINE) as u64;
    let scaled = (home << SHARD_BITS >> 32).wrapping_mul(places) >> 32;
    let scaled = scaled as usize;
    (scaled / WORDS_PER_LINE, scaled % WORDS_PER_LINE)
}
