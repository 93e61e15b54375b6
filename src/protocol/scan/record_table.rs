// SPDX-License-Identifier: GPL-2.0-only

//! Where the pages of a set were met: 64-bit records that several threads add to without a lock.
//!
//! A *block* holds the records of one thread, up to 16, which share a *base*: an address space and a page in it. So a
//! record needs only the distance to the base, and eight bytes are enough to find a page again through its page
//! tables and to recognize its frame:
//!
//! | bits of a page's record | |
//! |---|---|
//! | 0-15 | distance to the base in pages |
//! | 16-23 | tag of the frame's owner |
//! | 24-63 | frame number |
//!
//! Other words may be kept in blocks of their own, without a base.
//!
//! A record is found by its index, and does not change unless the caller replaces it. Its index reaches other threads
//! by a compare-and-exchange of the caller's, which orders the record before it. While the table is shared, blocks are
//! taken but never given back. Growing adds a segment of blocks and moves nothing.

use super::word_table::TableFull;
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed};
use logic::units::Pfn;

const BLOCK_RECORDS: usize = 16;
const DISTANCE_BITS: u32 = 16;
const OWNER_SHIFT: u32 = DISTANCE_BITS;
const PFN_SHIFT: u32 = 24;
/// Least number of blocks by which a table grows.
const MIN_SEGMENT: usize = 8;

/// The number of a record in its table.
pub type RecordIndex = u32;

/// A page in an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The number of the address space.
    pub space: usize,
    /// The page's number in it: its address divided by the size of a page.
    pub page: usize,
}

/// What a record tells of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRecord {
    /// Where the page was met.
    pub place: Place,
    /// The frame in which it was met.
    pub pfn: Pfn,
    /// A tag of that frame's owner.
    pub owner: u8,
}

impl Place {
    /// Returns the distance from `base` if a record can hold it.
    fn distance(self, base: Place) -> Option<u64> {
        let distance = self.page.checked_sub(base.page)? as u64;
        (self.space == base.space && distance < 1 << DISTANCE_BITS).then_some(distance)
    }
}

struct Block {
    space: Atomic<usize>,
    page: Atomic<usize>,
    records: [Atomic<u64>; BLOCK_RECORDS],
}

/// The block that a thread fills. It is used with one table only, until that is cleared.
#[derive(Default)]
pub struct OpenBlock {
    /// The index of the next record, and how many follow in the block.
    next: RecordIndex,
    left: u32,
    /// The base of the block, for pages.
    base: Option<Place>,
}

/// A table of records that several threads add to: see the head of this file.
pub struct RecordTable {
    segments: KVVec<KVVec<Block>>,
    blocks: usize,
    /// Blocks that were taken. It may be larger than `blocks`: then the table is full.
    taken: Atomic<usize>,
}

impl RecordTable {
    /// Creates a table without memory and without room.
    pub fn new() -> Self {
        Self {
            segments: KVVec::new(),
            blocks: 0,
            taken: Atomic::new(0),
        }
    }

    /// Returns the number of records that fit, if they fill their blocks.
    pub fn room(&self) -> usize {
        self.blocks
            .saturating_sub(self.taken.load(Relaxed))
            .saturating_mul(BLOCK_RECORDS)
    }

    /// Makes room for `additional` more records. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table is unchanged.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        let room = self.room();
        if room >= additional {
            return Ok(());
        }
        // Whoever found the table full took a number all the same.
        let taken = self.taken.load(Relaxed).min(self.blocks);
        self.taken.store(taken, Relaxed);
        let missing = (additional - room).div_ceil(BLOCK_RECORDS);
        let len = missing.max(self.blocks).max(MIN_SEGMENT);
        let mut segment = KVVec::with_capacity(len, flags)?;
        for _ in 0..len {
            let block = Block {
                space: Atomic::new(0),
                page: Atomic::new(0),
                records: core::array::from_fn(|_| Atomic::new(0)),
            };
            segment
                .push_within_capacity(block)
                .map_err(|_| AllocError)?;
        }
        self.segments.push(segment, flags)?;
        self.blocks += len;
        Ok(())
    }

    /// Makes the table larger after [`TableFull`]. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table is unchanged.
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.reserve(self.room() + 1, flags)
    }

    /// Adds the record of a page.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`] if there is no block for it.
    pub fn add_page(
        &self,
        page: &PageRecord,
        open: &mut OpenBlock,
    ) -> Result<RecordIndex, TableFull> {
        let fits = open.left > 0
            && open
                .base
                .is_some_and(|base| page.place.distance(base).is_some());
        if !fits {
            let block = self.open_block(open)?;
            block.space.store(page.place.space, Relaxed);
            block.page.store(page.place.page, Relaxed);
            open.base = Some(page.place);
        }
        let distance = open.base.and_then(|base| page.place.distance(base));
        let word = (page.pfn as u64) << PFN_SHIFT
            | u64::from(page.owner) << OWNER_SHIFT
            | distance.unwrap_or(0);
        self.add(word, open)
    }

    /// Adds a word that is no page's record.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`] if there is no block for it.
    pub fn add_word(&self, word: u64, open: &mut OpenBlock) -> Result<RecordIndex, TableFull> {
        if open.left == 0 {
            self.open_block(open)?;
        }
        self.add(word, open)
    }

    fn add(&self, word: u64, open: &mut OpenBlock) -> Result<RecordIndex, TableFull> {
        let index = open.next;
        // The caller publishes the index by a fully ordered operation.
        self.record(index).ok_or(TableFull)?.store(word, Relaxed);
        open.next += 1;
        open.left -= 1;
        Ok(index)
    }

    fn open_block(&self, open: &mut OpenBlock) -> Result<&Block, TableFull> {
        // mutant: take-block
        let number = self.taken.fetch_add(1, Relaxed);
        let index = RecordIndex::try_from(number * BLOCK_RECORDS).map_err(|_| TableFull)?;
        let block = self.block(number).ok_or(TableFull)?;
        *open = OpenBlock {
            next: index,
            left: BLOCK_RECORDS as u32,
            base: None,
        };
        Ok(block)
    }

    /// Returns the record of a page. The caller got its index by an acquire operation.
    pub fn page(&self, index: RecordIndex) -> Option<PageRecord> {
        let index = index as usize;
        let block = self.block(index / BLOCK_RECORDS)?;
        let word = block.records.get(index % BLOCK_RECORDS)?.load(Relaxed);
        let distance = (word & ((1 << DISTANCE_BITS) - 1)) as usize;
        Some(PageRecord {
            place: Place {
                space: block.space.load(Relaxed),
                page: block.page.load(Relaxed) + distance,
            },
            pfn: (word >> PFN_SHIFT) as Pfn,
            owner: (word >> OWNER_SHIFT) as u8,
        })
    }

    /// Returns a word that [`Self::add_word`] added or [`Self::replace_word`] put in its place. Acquires what its
    /// writer did before.
    pub fn word(&self, index: RecordIndex) -> Option<u64> {
        // mutant: acquire-word
        Some(self.record(index)?.load(Acquire))
    }

    /// Replaces a word that [`Self::add_word`] added, if it still is `old`. Returns whether it was.
    pub fn replace_word(&self, index: RecordIndex, old: u64, new: u64) -> bool {
        self.record(index)
            .is_some_and(|word| word.cmpxchg(old, new, Full).is_ok())
    }

    /// Removes all records. Keeps the memory, unless it is much more than the records needed.
    pub fn clear(&mut self) {
        let taken = self.taken.load(Relaxed);
        if self.blocks > taken.saturating_mul(16).saturating_add(MIN_SEGMENT) {
            *self = Self::new();
        }
        self.taken.store(0, Relaxed);
    }

    fn block(&self, number: usize) -> Option<&Block> {
        let mut number = number;
        for segment in &self.segments {
            match segment.get(number) {
                Some(block) => return Some(block),
                None => number -= segment.len(),
            }
        }
        None
    }

    fn record(&self, index: RecordIndex) -> Option<&Atomic<u64>> {
        let index = index as usize;
        self.block(index / BLOCK_RECORDS)?
            .records
            .get(index % BLOCK_RECORDS)
    }
}

impl Default for RecordTable {
    fn default() -> Self {
        Self::new()
    }
}
