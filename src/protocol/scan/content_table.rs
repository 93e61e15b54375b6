// SPDX-License-Identifier: GPL-2.0-only

//! The read-only pages of one set of processes, classified by content.
//!
//! Most pages differ in almost every cache line. So a page is first entered by the hash of a small
//! *sample* of it, and only when a second page has the same sample are pages read as a whole. Then the
//! two are compared. If they differ, the sample is *split*: both, and each further page with this
//! sample, are entered by the hash of their whole content as well. A page joins a class only after a
//! comparison has found its bytes equal to those of the class's leader, so a hash is a hint and never a
//! proof. However pages are crafted, each is read at most three times.
//!
//! | bits of an entry | |
//! |---|---|
//! | 0 | always set |
//! | 1 | entered by the hash of the content, not of the sample |
//! | 2 | *split*: pages with this sample are entered by their content as well |
//! | 3-23 | tag: bits of the hash |
//! | 24-63 | frame number of the class's leader |

use super::word_table::{Lookup, Slot, TableFull, WordTable};
use kernel::alloc::{AllocError, Flags};
use logic::hash::hash_number;
use logic::units::Pfn;

const USED: u64 = 1;
const BY_CONTENT: u64 = 1 << 1;
const SPLIT: u64 = 1 << 2;
const TAG_SHIFT: u32 = 3;
const TAG_MASK: u64 = ((1 << 21) - 1) << TAG_SHIFT;
const PFN_SHIFT: u32 = 24;

/// The caller's access to the pages that were entered. Its functions are called without a lock.
pub trait PageAccess {
    /// Tells whether two pages hold the same bytes at this moment.
    fn is_same(&mut self, a: Pfn, b: Pfn) -> bool;

    /// Returns the hash of a page's content at this moment.
    fn content_hash(&mut self, pfn: Pfn) -> u64;

    /// Merges the class of `follower`, its leader until now, into the class of `leader`, whose content is
    /// the same.
    fn merge_into(&mut self, follower: Pfn, leader: Pfn);
}

/// The classes of identical pages of one set.
///
/// Each class has a leader, the page that was entered first and with which later pages are compared.
/// [`Self::classify`] makes a page a leader or merges it into the class of one. Several threads classify
/// pages at the same time without a lock; the table itself stores entries only, so pages are compared and
/// marked by the caller's [`PageAccess`]. Only [`Self::reserve`] and [`Self::grow`] allocate.
///
/// # Examples
///
/// ```
/// use kernel::alloc::flags::GFP_KERNEL;
/// use logic::units::Pfn;
/// use protocol::scan::content_table::{ContentTable, PageAccess};
///
/// /// The contents of the frames, and the merged pages with their leaders.
/// struct Memory(&'static [u8], Vec<(Pfn, Pfn)>);
///
/// impl PageAccess for Memory {
///     fn is_same(&mut self, a: Pfn, b: Pfn) -> bool {
///         self.0[a] == self.0[b]
///     }
///
///     fn content_hash(&mut self, pfn: Pfn) -> u64 {
///         u64::from(self.0[pfn]) << 8
///     }
///
///     fn merge_into(&mut self, follower: Pfn, leader: Pfn) {
///         self.1.push((follower, leader));
///     }
/// }
///
/// let mut memory = Memory(b"abab", Vec::new());
/// let mut table = ContentTable::new();
/// table.reserve(8, GFP_KERNEL).unwrap();
/// let mut added = 0;
/// for pfn in 0..4 {
///     // All samples have the same hash, so the sample is split.
///     table.classify(pfn, 0, &mut memory, &mut added).unwrap();
/// }
/// table.add_to_len(added);
/// assert_eq!(memory.1, [(2, 0), (3, 1)]);
/// ```
#[derive(Default)]
pub struct ContentTable {
    table: WordTable,
}

impl ContentTable {
    /// Creates a table without memory and without room.
    pub fn new() -> Self {
        Self {
            table: WordTable::new(),
        }
    }

    /// Returns the number of pages that can be classified before the table should grow.
    pub fn room(&self) -> usize {
        self.table.room()
    }

    /// Counts words that [`Self::classify`] has added.
    pub fn add_to_len(&self, words: usize) {
        self.table.add_to_len(words);
    }

    /// Makes room for `additional` more pages. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table holds the same pages.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.table.reserve(additional, flags, home_of_entry)
    }

    /// Makes room after [`TableFull`]. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table holds the same pages.
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.table.grow(flags, home_of_entry)
    }

    /// Fetches from memory what [`Self::classify`] looks at first, without waiting for it.
    pub fn prefetch(&self, sample_hash: u64) {
        self.table
            .prefetch(home(sample_hash, USED | tag_of(sample_hash)));
    }

    /// Finds the class of a page that is not in the table and that is a leader so far; calls
    /// [`PageAccess::merge_into`] if its class has a leader. Adds the number of words that it adds to
    /// `added`, for [`Self::add_to_len`].
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`] if there is no slot. After growing, the caller repeats the call, which
    /// continues where this one ended.
    pub fn classify(
        &self,
        pfn: Pfn,
        sample_hash: u64,
        pages: &mut impl PageAccess,
        added: &mut usize,
    ) -> Result<(), TableFull> {
        let wanted = USED | tag_of(sample_hash);
        let slot = loop {
            let found = self.table.find(home(sample_hash, wanted), |slot| {
                is_like(slot.word(), wanted)
            })?;
            match found {
                // mutant: acquire-entry
                Lookup::Found(slot) => break slot.acquire(),
                Lookup::Vacant(slot) => {
                    if slot.replace(wanted | pfn_bits(pfn)).is_ok() {
                        *added += 1;
                        return Ok(());
                    }
                }
            }
        };
        if slot.word() & SPLIT == 0 {
            let first = pfn_of(slot.word());
            if first == pfn {
                return Ok(());
            }
            if pages.is_same(pfn, first) {
                pages.merge_into(pfn, first);
                return Ok(());
            }
            // The first page must be entered by its content before any thread relies on the split.
            // mutant: enter-first-page
            self.classify_by_content(first, pages, added)?;
            split(slot);
        }
        self.classify_by_content(pfn, pages, added)
    }

    fn classify_by_content(
        &self,
        pfn: Pfn,
        pages: &mut impl PageAccess,
        added: &mut usize,
    ) -> Result<(), TableFull> {
        let hash = pages.content_hash(pfn);
        let wanted = USED | BY_CONTENT | tag_of(hash);
        loop {
            let found = self.table.find(home(hash, wanted), |slot| {
                is_like(slot.word(), wanted) && {
                    let leader = pfn_of(slot.acquire().word());
                    leader == pfn || pages.is_same(pfn, leader)
                }
            })?;
            match found {
                Lookup::Found(slot) => {
                    let leader = pfn_of(slot.word());
                    // Two threads may enter the first page of a sample at the same time.
                    // mutant: own-leader
                    if leader != pfn {
                        pages.merge_into(pfn, leader);
                    }
                    return Ok(());
                }
                Lookup::Vacant(slot) => {
                    if slot.replace(wanted | pfn_bits(pfn)).is_ok() {
                        *added += 1;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Removes all pages. Keeps memory for the next set.
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

fn split(slot: Slot<'_>) {
    // Nothing else in an entry changes, so a thread that came first has done the same.
    let _ = slot.replace(slot.word() | SPLIT);
}

/// Tells whether two entries are by the same kind of hash, with the same tag.
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

/// Returns the home of an entry. The hash's top bits select the shard; the rest comes from the bits of
/// the hash that the entry holds, so that growing does not read pages.
fn home(hash: u64, entry: u64) -> u64 {
    const SHARD: u64 = 0xf << 60;
    hash & SHARD | home_of_entry(entry) & !SHARD
}

fn home_of_entry(entry: u64) -> u64 {
    hash_number((entry & (BY_CONTENT | TAG_MASK)) as usize) >> 4
}
