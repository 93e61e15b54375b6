// SPDX-License-Identifier: GPL-2.0-only

//! The page frames of one set of processes, with two marks for each.
//!
//! Eight neighbouring frames share a word of a [`WordTable`], since the kernel allocates frames in runs:
//! a page takes from 1 to 8 bytes, and most lookups find the word in the cache.
//!
//! | bits of a word | |
//! |---|---|
//! | 0-7 | the frame is in the set |
//! | 8-15 | *shared*: its content was met again, in this frame or another |
//! | 16-23 | *leader*: it represents the class of all pages with its content |
//! | 24-63 | number of the first of the eight frames, divided by 8 |

use super::word_table::{Lookup, Slot, TableFull, WordTable};
use kernel::alloc::{AllocError, Flags};
use logic::hash::hash_number;
use logic::units::Pfn;

const FRAMES_PER_WORD: usize = 8;
const SHARED_SHIFT: u32 = 8;
const LEADER_SHIFT: u32 = 16;
const GROUP_SHIFT: u32 = 24;
const GROUP_MASK: u64 = 0xff;

/// Numbers of classes of identical pages, counted by their leaders.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// All classes.
    pub classes: u64,
    /// Classes of one page that is mapped once.
    pub singletons: u64,
}

/// The outcome of an insertion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// The frame is new, and the leader of its class until [`FrameSet::clear_leader`].
    New {
        /// True if no neighbour was in the set, so that the frame took a word of its own, which
        /// [`FrameSet::add_to_len`] has to count.
        took_new_word: bool,
    },
    /// The frame was in the set, and is marked as shared now.
    Known,
}

/// The slot at which a thread's last lookup ended, since neighbours are often looked up one after the
/// other.
#[derive(Default)]
pub struct Cursor<'a>(Option<Slot<'a>>);

/// A set of frames that several threads add to without a lock. Only [`Self::reserve`] and [`Self::grow`]
/// allocate.
#[derive(Default)]
pub struct FrameSet {
    table: WordTable,
}

impl FrameSet {
    /// Creates a set without memory and without room.
    pub fn new() -> Self {
        Self {
            table: WordTable::new(),
        }
    }

    /// Returns the number of frames that are guaranteed to fit before the set should grow.
    pub fn room(&self) -> usize {
        self.table.room()
    }

    /// Counts words that insertions took: see [`Inserted::New`].
    pub fn add_to_len(&self, words: usize) {
        self.table.add_to_len(words);
    }

    /// Makes room for `additional` more frames. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the set is unchanged.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.table.reserve(additional, flags, home_of_word)
    }

    /// Makes room after [`TableFull`]. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the set is unchanged.
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.table.grow(flags, home_of_word)
    }

    /// Marks a frame as shared if it is in the set. Returns whether it is.
    pub fn mark_shared<'a>(&'a self, pfn: Pfn, cursor: &mut Cursor<'a>) -> bool {
        match self.slot_near(pfn, cursor) {
            Some(slot) if slot.word() & bit(pfn) != 0 => {
                set(slot, bit(pfn) << SHARED_SHIFT);
                true
            }
            _ => false,
        }
    }

    /// Tells whether the frame is in the set.
    pub fn contains<'a>(&'a self, pfn: Pfn, cursor: &mut Cursor<'a>) -> bool {
        self.slot_near(pfn, cursor)
            .is_some_and(|slot| slot.word() & bit(pfn) != 0)
    }

    /// Adds a frame as a leader. If it is in the set, marks it as shared.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`] if there is no slot for the frame; the set is unchanged.
    pub fn insert<'a>(&'a self, pfn: Pfn, cursor: &mut Cursor<'a>) -> Result<Inserted, TableFull> {
        loop {
            let (slot, took_new_word) = match self.slot_near(pfn, cursor) {
                Some(slot) => (slot, false),
                None => match self.find(pfn)? {
                    Lookup::Found(slot) => (slot, false),
                    Lookup::Vacant(slot) => (slot, true),
                },
            };
            if slot.word() & bit(pfn) != 0 {
                set(slot, bit(pfn) << SHARED_SHIFT);
                // mutant: known-frame
                return Ok(Inserted::Known);
            }
            let mark = bit(pfn) | bit(pfn) << LEADER_SHIFT;
            let new = slot.word() | group_of(pfn) << GROUP_SHIFT | mark;
            // Another thread may have taken the slot or added a neighbour: look again.
            if slot.replace(new).is_ok() {
                return Ok(Inserted::New { took_new_word });
            }
        }
    }

    /// Records that another frame represents the class of this one.
    pub fn clear_leader(&self, pfn: Pfn) {
        let leader = bit(pfn) << LEADER_SHIFT;
        while let Some(slot) = self.slot_of(pfn) {
            let word = slot.word();
            if word & leader == 0 || slot.replace(word & !leader).is_ok() {
                return;
            }
        }
    }

    /// Counts the classes. The caller is ordered after all threads that changed the set.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for word in self.table.words() {
            let leaders = word >> LEADER_SHIFT & GROUP_MASK;
            let shared = word >> SHARED_SHIFT & GROUP_MASK;
            tally.classes += u64::from(leaders.count_ones());
            tally.singletons += u64::from((leaders & !shared).count_ones());
        }
        tally
    }

    /// Removes all frames. Keeps memory for the next set.
    pub fn clear(&mut self) {
        self.table.clear();
    }

    fn slot_near<'a>(&'a self, pfn: Pfn, cursor: &mut Cursor<'a>) -> Option<Slot<'a>> {
        let is_near = |slot: &Slot<'_>| slot.word() >> GROUP_SHIFT == group_of(pfn);
        if let Some(slot) = cursor.0.filter(is_near) {
            return Some(slot.reload());
        }
        let slot = self.slot_of(pfn)?;
        cursor.0 = Some(slot);
        Some(slot)
    }

    fn slot_of(&self, pfn: Pfn) -> Option<Slot<'_>> {
        match self.find(pfn) {
            Ok(Lookup::Found(slot)) => Some(slot),
            _ => None,
        }
    }

    fn find(&self, pfn: Pfn) -> Result<Lookup<'_>, TableFull> {
        let group = group_of(pfn);
        self.table
            .find(home(group), |slot| slot.word() >> GROUP_SHIFT == group)
    }
}

fn group_of(pfn: Pfn) -> u64 {
    (pfn / FRAMES_PER_WORD) as u64
}

/// Sets bits that are never cleared. Does not write if they are set, so that the word of a page that all
/// threads meet stays in every cache.
fn set(mut slot: Slot<'_>, bits: u64) {
    while slot.word() & bits != bits {
        match slot.replace(slot.word() | bits) {
            Ok(()) => return,
            Err(word) => slot = slot.with_word(word),
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
