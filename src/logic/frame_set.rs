// SPDX-License-Identifier: GPL-2.0-only

//! The physical pages of one set of processes, and what is known of each: was it met more than once,
//! and does it stand for its content.
//!
//! Eight neighbouring frames share a word, since the kernel hands frames out in runs: a page takes
//! from 1 to 8 bytes, and most lookups find the word in the cache.
//!
//! | bits | |
//! |---|---|
//! | 0-7 | the frame is in the set |
//! | 8-15 | *shared*: its content was met again, in this frame or another |
//! | 16-23 | *leader*: it stands for the class of all pages with its content |
//! | 24-63 | number of the first of the eight frames, by 8 |

use crate::hash::hash_number;
use crate::units::Pfn;
use crate::word_table::{Lookup, NoRoom, Place, WordTable};
use kernel::alloc::{AllocError, Flags};

pub use crate::word_table::SHARDS;

const FRAMES_PER_WORD: usize = 8;
const SHARED_SHIFT: u32 = 8;
const LEADER_SHIFT: u32 = 16;
const GROUP_SHIFT: u32 = 24;
const EIGHT: u64 = 0xff;

/// Classes of identical pages, by what the leaders' marks say.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Classes.
    pub classes: u64,
    /// Those of them with one page only, mapped once.
    pub lone: u64,
}

/// What became of an insertion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// The frame is new, and its class's leader until [`FrameSet::follow`]. `fills` if it took a place
    /// in the table: see [`FrameSet::count_filled`].
    New {
        /// It is the first of its eight.
        fills: bool,
    },
    /// It was there already, and is marked as shared.
    Known,
}

/// Where the last lookup ended: neighbours are often looked up one after the other.
#[derive(Default)]
pub struct Near<'a>(Option<Place<'a>>);

/// A set of frames that many add to at once. Does not sleep or allocate but where it says so.
#[derive(Default)]
pub struct FrameSet {
    table: WordTable,
}

impl FrameSet {
    /// A set without memory and without room.
    pub fn new() -> Self {
        Self {
            table: WordTable::new(),
        }
    }

    /// How many frames it surely takes before it should grow.
    pub fn room(&self) -> usize {
        self.table.room()
    }

    /// How many frames there may be: no fewer than this, no more than eight times as many.
    pub fn filled(&self) -> usize {
        self.table.filled()
    }

    /// Counts places that insertions have filled.
    pub fn count_filled(&self, words: usize) {
        self.table.count_filled(words);
    }

    /// Makes room for `additional` more frames. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory the set is as it was.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.table.reserve(additional, flags, home_of_word)
    }

    /// Makes room after [`NoRoom`].
    ///
    /// # Errors
    ///
    /// As [`Self::reserve`].
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.table.grow(flags, home_of_word)
    }

    /// Marks a frame that is in the set as shared. False, and nothing done, if it is not in the set.
    pub fn see_again<'a>(&'a self, pfn: Pfn, near: &mut Near<'a>) -> bool {
        match self.place_near(pfn, near) {
            Some(place) if place.word() & bit(pfn) != 0 => {
                set(place, bit(pfn) << SHARED_SHIFT);
                true
            }
            _ => false,
        }
    }

    /// True if the frame is in the set.
    pub fn contains(&self, pfn: Pfn) -> bool {
        self.place_of(pfn)
            .is_some_and(|place| place.word() & bit(pfn) != 0)
    }

    /// Adds a frame as a leader.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]; nothing has changed then.
    pub fn insert<'a>(&'a self, pfn: Pfn, near: &mut Near<'a>) -> Result<Inserted, NoRoom> {
        loop {
            let (place, fills) = match self.place_near(pfn, near) {
                Some(place) => (place, false),
                None => match self.find(pfn)? {
                    Lookup::Found(place) => (place, false),
                    Lookup::Vacant(place) => (place, true),
                },
            };
            if place.word() & bit(pfn) != 0 {
                set(place, bit(pfn) << SHARED_SHIFT);
                // mutant: known-frame
                return Ok(Inserted::Known);
            }
            let mark = bit(pfn) | bit(pfn) << LEADER_SHIFT;
            let new = place.word() | group_of(pfn) << GROUP_SHIFT | mark;
            // Somebody else may have taken the place, or its frame.
            if place.replace(new).is_ok() {
                return Ok(Inserted::New { fills });
            }
        }
    }

    /// Says that another frame stands for the content of this one.
    pub fn follow(&self, pfn: Pfn) {
        let leader = bit(pfn) << LEADER_SHIFT;
        while let Some(place) = self.place_of(pfn) {
            let word = place.word();
            if word & leader == 0 || place.replace(word & !leader).is_ok() {
                return;
            }
        }
    }

    /// Counts classes, once all have ended.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for word in self.table.words() {
            let leaders = word >> LEADER_SHIFT & EIGHT;
            let shared = word >> SHARED_SHIFT & EIGHT;
            tally.classes += u64::from(leaders.count_ones());
            tally.lone += u64::from((leaders & !shared).count_ones());
        }
        tally
    }

    /// The frames of one of [`SHARDS`] parts, by eights in their order. Each frame is in one part.
    pub fn frames_of_shard(&self, shard: usize) -> impl Iterator<Item = Pfn> + '_ {
        self.table.words_of_shard(shard).flat_map(|word| {
            let first = (word >> GROUP_SHIFT) as usize * FRAMES_PER_WORD;
            let frames = first..first + FRAMES_PER_WORD;
            frames.filter(move |pfn| word & bit(*pfn) != 0)
        })
    }

    /// Forgets all frames; keeps memory for the next set.
    pub fn clear(&mut self) {
        self.table.clear();
    }

    fn place_near<'a>(&'a self, pfn: Pfn, near: &mut Near<'a>) -> Option<Place<'a>> {
        let is_near = |place: &Place<'_>| place.word() >> GROUP_SHIFT == group_of(pfn);
        if let Some(place) = near.0.filter(is_near) {
            return Some(place.reload());
        }
        let place = self.place_of(pfn)?;
        near.0 = Some(place);
        Some(place)
    }

    fn place_of(&self, pfn: Pfn) -> Option<Place<'_>> {
        match self.find(pfn) {
            Ok(Lookup::Found(place)) => Some(place),
            _ => None,
        }
    }

    fn find(&self, pfn: Pfn) -> Result<Lookup<'_>, NoRoom> {
        let group = group_of(pfn);
        self.table
            .find(home(group), |place| place.word() >> GROUP_SHIFT == group)
    }
}

fn group_of(pfn: Pfn) -> u64 {
    (pfn / FRAMES_PER_WORD) as u64
}

/// Sets bits that are only ever set. Whoever finds them set writes nothing, so that pages which all
/// meet stay in everyone's cache.
fn set(mut place: Place<'_>, bits: u64) {
    while place.word() & bits != bits {
        match place.replace(place.word() | bits) {
            Ok(()) => return,
            Err(word) => place = place.with_word(word),
        }
    }
}

fn bit(pfn: Pfn) -> u64 {
    1 << (pfn % FRAMES_PER_WORD)
}

fn home(group: u64) -> u64 {
    hash_number(group as usize)
}

fn home_of_word(word: u64) -> u64 {
    home(word >> GROUP_SHIFT)
}
