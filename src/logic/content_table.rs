// SPDX-License-Identifier: GPL-2.0-only

//! The read-only pages of one set of processes, classed by content, by many workers at once.
//!
//! Most pages differ in almost every cache line, so a page is first entered by the hash of a small
//! *sample* of it. Only when a second page has the same sample are both read: first compared with
//! each other; and once two pages with the same sample were found to differ, each page with it is
//! entered by the hash of its whole content. A page joins a class only after a comparison says that
//! the bytes agree. However pages are crafted, each is read at most three times.
//!
//! | bits of an entry | |
//! |---|---|
//! | 0 | always set |
//! | 1 | by the hash of the content, not of the sample |
//! | 2 | *split*: pages with this sample are entered by their content as well |
//! | 3-23 | tag: bits of the hash |
//! | 24-63 | frame number of the page that stands for its class |

use crate::hash::hash_number;
use crate::units::Pfn;
use crate::word_table::{Lookup, NoRoom, Place, WordTable};
use kernel::alloc::{AllocError, Flags};

const USED: u64 = 1;
const BY_CONTENT: u64 = 1 << 1;
const SPLIT: u64 = 1 << 2;
const TAG_SHIFT: u32 = 3;
const TAG_MASK: u64 = ((1 << 21) - 1) << TAG_SHIFT;
const PFN_SHIFT: u32 = 24;

/// What the table asks of its caller about pages that were entered.
pub trait Pages {
    /// True if the two hold the same bytes at this moment.
    fn is_same(&mut self, a: Pfn, b: Pfn) -> bool;

    /// The hash of the page's content as it is at this moment.
    fn content_hash(&mut self, pfn: Pfn) -> u64;

    /// Is told that `follower`, a leader until now, has the same content as `leader`.
    fn join(&mut self, follower: Pfn, leader: Pfn);
}

/// The classes of identical pages of one set. Does not sleep or allocate but where it says so.
#[derive(Default)]
pub struct ContentTable {
    table: WordTable,
}

impl ContentTable {
    /// A table without memory and without room.
    pub fn new() -> Self {
        Self {
            table: WordTable::new(),
        }
    }

    /// How many pages it takes before it should grow.
    pub fn room(&self) -> usize {
        self.table.room()
    }

    /// Counts places that [`Self::class`] has filled.
    pub fn count_filled(&self, words: usize) {
        self.table.count_filled(words);
    }

    /// Makes room for `additional` more pages. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory the table holds what it held.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.table.reserve(additional, flags, home_of_entry)
    }

    /// Makes room after [`NoRoom`].
    ///
    /// # Errors
    ///
    /// As [`Self::reserve`].
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.table.grow(flags, home_of_entry)
    }

    /// Has the processor fetch what [`Self::class`] will look at first.
    pub fn touch(&self, sample_hash: u64) {
        self.table
            .touch(home(sample_hash, USED | tag_of(sample_hash)));
    }

    /// Finds the class of a page that is new to the table and a leader by now; tells `pages` if it is
    /// another's. Adds the places it fills to `filled`, which [`Self::count_filled`] wants to know.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]: after growing, the same call takes up where this one ended.
    pub fn class(
        &self,
        pfn: Pfn,
        sample_hash: u64,
        pages: &mut impl Pages,
        filled: &mut usize,
    ) -> Result<(), NoRoom> {
        let wanted = USED | tag_of(sample_hash);
        let place = loop {
            let found = self.table.find(home(sample_hash, wanted), |place| {
                is_like(place.word(), wanted)
            })?;
            match found {
                // mutant: acquire-entry
                Lookup::Found(place) => break place.acquire(),
                Lookup::Vacant(place) => {
                    if place.replace(wanted | pfn_bits(pfn)).is_ok() {
                        *filled += 1;
                        return Ok(());
                    }
                }
            }
        };
        if place.word() & SPLIT == 0 {
            let first = pfn_of(place.word());
            if first == pfn {
                return Ok(());
            }
            if pages.is_same(pfn, first) {
                pages.join(pfn, first);
                return Ok(());
            }
            // The first page too must be found by its content, before anybody relies on it.
            // mutant: enter-first-page
            self.class_by_content(first, pages, filled)?;
            split(place);
        }
        self.class_by_content(pfn, pages, filled)
    }

    fn class_by_content(
        &self,
        pfn: Pfn,
        pages: &mut impl Pages,
        filled: &mut usize,
    ) -> Result<(), NoRoom> {
        let hash = pages.content_hash(pfn);
        let wanted = USED | BY_CONTENT | tag_of(hash);
        loop {
            let found = self.table.find(home(hash, wanted), |place| {
                is_like(place.word(), wanted) && {
                    let leader = pfn_of(place.acquire().word());
                    leader == pfn || pages.is_same(pfn, leader)
                }
            })?;
            match found {
                Lookup::Found(place) => {
                    let leader = pfn_of(place.word());
                    // Two may enter the first page of a sample at once.
                    // mutant: own-leader
                    if leader != pfn {
                        pages.join(pfn, leader);
                    }
                    return Ok(());
                }
                Lookup::Vacant(place) => {
                    if place.replace(wanted | pfn_bits(pfn)).is_ok() {
                        *filled += 1;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Forgets all pages; keeps memory for the next set.
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

fn split(place: Place<'_>) {
    // Nothing else of an entry ever changes, so whoever came first has done the same.
    let _ = place.replace(place.word() | SPLIT);
}

/// True if both are entered by the same kind of hash, with the same tag.
fn is_like(entry: u64, wanted: u64) -> bool {
    (entry ^ wanted) & (BY_CONTENT | TAG_MASK) == 0
}

fn tag_of(hash: u64) -> u64 {
    hash & TAG_MASK
}

fn pfn_bits(pfn: Pfn) -> u64 {
    (pfn as u64) << PFN_SHIFT
}

fn pfn_of(entry: u64) -> Pfn {
    (entry >> PFN_SHIFT) as Pfn
}

/// The shard is by the hash's top bits, the line by what the entry holds of the hash, so that growing
/// needs no page.
fn home(hash: u64, entry: u64) -> u64 {
    const SHARD: u64 = 0xf << 60;
    hash & SHARD | home_of_entry(entry) & !SHARD
}

fn home_of_entry(entry: u64) -> u64 {
    hash_number((entry & (BY_CONTENT | TAG_MASK)) as usize) >> 4
}
