// SPDX-License-Identifier: GPL-2.0-only

//! The read-only pages of one set of processes, classified by content, without a reference to any of them.
//!
//! Most pages differ in almost every cache line. So a page is first entered by the hash of a small *sample* of
//! it, and only when a second page has the same sample are pages read as a whole. Then the sample is *split*:
//! the first page and each further one that differs from it are entered by the hash of their whole content as
//! well.
//!
//! Each class of identical pages has a leader, with which later pages are compared byte by byte. A page joins a
//! class only after a comparison has found its bytes equal to the leader's, so a hash is a hint and no proof. However
//! pages are crafted, each is read at most three times.
//!
//! # Leaders that are lost
//!
//! Nothing keeps a leader in memory. Its process may exit, or unmap or change the page; the caller then reports that
//! it cannot be read, or something else is read at its place. A page that has the hash of a class whose leader is
//! lost replaces the leader: here alone 61 bits of a keyed hash of the whole content stand for the comparison.
//! So the pages of processes that do not change are classified as if nothing else had changed. The first page of a
//! sample that is lost before a second one comes has no such hash, and no partner either: the second page takes its
//! place.

use super::content_word::{
    class_hash, class_hash_of, class_word, home, home_of_entry, index_bits, index_of, is_like,
    still_has, tag_of, BY_CONTENT, SPLIT, USED,
};
use super::record_table::{OpenBlock, PageRecord, RecordIndex, RecordTable};
use super::word_table::{Lookup, TableFull, WordTable};
use kernel::alloc::{AllocError, Flags};
use logic::units::Pfn;

/// The caller's access to the pages that were entered. Its functions are called without a lock.
///
/// `sample_hash` is that of the pages which are asked for, as far as [`is_like_sample`] tells: what has another one
/// is something else, by which the page was replaced.
///
/// [`is_like_sample`]: super::content_word::is_like_sample
pub trait PageAccess {
    /// Tells whether two pages hold the same bytes. Returns `None` if the second cannot be read any more.
    fn is_same(&mut self, page: &PageRecord, leader: &PageRecord, sample_hash: u64)
        -> Option<bool>;

    /// Returns the hash of a page's content, or `None` if it cannot be read any more.
    fn content_hash(&mut self, page: &PageRecord, sample_hash: u64) -> Option<u64>;

    /// Merges the class of `follower`, its leader until now, into the class of `leader`.
    fn merge_into(&mut self, follower: Pfn, leader: Pfn);
}

/// A page that has no class yet. It is kept until [`ContentTable::classify`] has succeeded.
pub struct Unclassified {
    record: PageRecord,
    sample_hash: u64,
    index: Option<RecordIndex>,
}

/// What one thread has added to a table, and the blocks that it adds to.
#[derive(Default)]
pub struct Filling {
    words: usize,
    pages: OpenBlock,
    classes: OpenBlock,
}

/// A class that was found, and what its leader has to do with the page.
struct Match {
    class: RecordIndex,
    word: u64,
    leader: PageRecord,
    relation: Relation,
}

enum Relation {
    /// The page is the leader.
    Itself,
    /// The leader has the same content.
    Same,
    /// The leader cannot be read any more, or has another content by now.
    Lost,
}

impl Unclassified {
    /// Describes a page by its record and the hash of its sample.
    pub fn new(record: PageRecord, sample_hash: u64) -> Self {
        Self {
            record,
            sample_hash,
            index: None,
        }
    }

    /// Returns the index of the page's record, which is added if it was not.
    fn index(
        &mut self,
        table: &ContentTable,
        filling: &mut Filling,
    ) -> Result<RecordIndex, TableFull> {
        if let Some(index) = self.index {
            return Ok(index);
        }
        let index = table.records.add_page(&self.record, &mut filling.pages)?;
        self.index = Some(index);
        Ok(index)
    }
}

/// The classes of identical pages of one set.
///
/// Each class has a leader, with which later pages are compared. [`Self::classify`] makes a page a leader or
/// merges it into the class of one. Several threads classify pages at the same time without a lock; the table
/// stores where pages were met, and the caller's [`PageAccess`] reads and marks them. Only [`Self::reserve`]
/// and [`Self::grow`] allocate.
///
/// # Examples
///
/// ```
/// use kernel::alloc::flags::GFP_KERNEL;
/// use logic::units::Pfn;
/// use protocol::scan::content_table::{ContentTable, Filling, PageAccess, Unclassified};
/// use protocol::scan::record_table::{PageRecord, Place};
///
/// /// The contents of the pages, and the merged frames with their leaders.
/// struct Memory(&'static [u8], Vec<(Pfn, Pfn)>);
///
/// impl PageAccess for Memory {
///     fn is_same(&mut self, page: &PageRecord, leader: &PageRecord, _: u64) -> Option<bool> {
///         Some(self.0[page.place.page] == self.0[leader.place.page])
///     }
///
///     fn content_hash(&mut self, page: &PageRecord, _: u64) -> Option<u64> {
///         Some(u64::from(self.0[page.place.page]) << 8)
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
/// let mut filling = Filling::default();
/// for page in 0..4 {
///     let place = Place { space: 0, page };
///     let record = PageRecord { place, pfn: page, owner: 0 };
///     // All samples have the same hash, so the sample is split.
///     let mut page = Unclassified::new(record, 0);
///     table.classify(&mut page, &mut memory, &mut filling).unwrap();
/// }
/// table.count(&mut filling);
/// assert_eq!(memory.1, [(2, 0), (3, 1)]);
/// ```
#[derive(Default)]
pub struct ContentTable {
    table: WordTable,
    records: RecordTable,
}

impl ContentTable {
    /// Creates a table without memory and without room.
    pub fn new() -> Self {
        Self {
            table: WordTable::new(),
            records: RecordTable::new(),
        }
    }

    /// Returns the number of pages that can be classified before the table should grow.
    pub fn room(&self) -> usize {
        self.table.room().min(self.records.room())
    }

    /// Counts what [`Self::classify`] has added. A caller does so after many pages.
    pub fn count(&self, filling: &mut Filling) {
        self.table.add_to_len(core::mem::take(&mut filling.words));
    }

    /// Makes room for `additional` more pages. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table holds the same pages.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.records.reserve(additional, flags)?;
        self.table.reserve(additional, flags, home_of_entry)
    }

    /// Makes room after [`TableFull`]. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the table holds the same pages.
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.records.grow(flags)?;
        self.table.grow(flags, home_of_entry)
    }

    /// Fetches from memory what [`Self::classify`] looks at first, without waiting for it.
    pub fn prefetch(&self, sample_hash: u64) {
        self.table
            .prefetch(home(sample_hash, USED | tag_of(sample_hash)));
    }

    /// Finds the class of a page that is a leader so far; calls [`PageAccess::merge_into`] if its class has
    /// another one. A page that cannot be read any more stays alone.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`] if there is no room. After growing, the caller repeats the call, which continues
    /// where this one ended.
    pub fn classify(
        &self,
        page: &mut Unclassified,
        pages: &mut impl PageAccess,
        filling: &mut Filling,
    ) -> Result<(), TableFull> {
        let wanted = USED | tag_of(page.sample_hash);
        loop {
            let found = self.table.find(home(page.sample_hash, wanted), |slot| {
                is_like(slot.word(), wanted)
            })?;
            let slot = match found {
                // mutant: acquire-entry
                Lookup::Found(slot) => slot.acquire(),
                Lookup::Vacant(slot) => {
                    let index = page.index(self, filling)?;
                    if slot.replace(wanted | index_bits(index)).is_ok() {
                        filling.words += 1;
                        return Ok(());
                    }
                    continue;
                }
            };
            let index = index_of(slot.word());
            if slot.word() & SPLIT != 0 {
                // Most pages with this sample are like the first, so no hash is needed.
                let first = self.class(index).map(|(_, _, leader)| leader);
                if let Some(first) = first.filter(|first| {
                    page.record != *first
                        && pages.is_same(&page.record, first, page.sample_hash) == Some(true)
                }) {
                    pages.merge_into(page.record.pfn, first.pfn);
                    return Ok(());
                }
                let Some(hash) = pages.content_hash(&page.record, page.sample_hash) else {
                    return Ok(());
                };
                self.enter(page, hash, pages, filling)?;
                return Ok(());
            }
            if page.index == Some(index) {
                return Ok(());
            }
            let Some(first) = self.records.page(index) else {
                return Ok(());
            };
            let Some(hash) = pages.content_hash(&first, page.sample_hash) else {
                // mutant: replace-lost-first
                let index = page.index(self, filling)?;
                if slot.replace(wanted | index_bits(index)).is_ok() {
                    return Ok(());
                }
                continue;
            };
            let mut first = Unclassified {
                record: first,
                sample_hash: page.sample_hash,
                index: Some(index),
            };
            // The first page must be entered by its content before any thread relies on the split.
            let class = self.enter(&mut first, hash, pages, filling)?;
            // If another thread came first, it has split the sample, or has put its own page in place of the first.
            let _ = slot.replace(wanted | SPLIT | index_bits(class));
        }
    }

    /// Enters a page by its content. Returns the index of its class's word.
    fn enter(
        &self,
        page: &mut Unclassified,
        hash: u64,
        pages: &mut impl PageAccess,
        filling: &mut Filling,
    ) -> Result<RecordIndex, TableFull> {
        let wanted = USED | BY_CONTENT | tag_of(hash);
        let mut new_class = None;
        loop {
            let mut matched = None;
            let found = self.table.find(home(hash, wanted), |slot| {
                if is_like(slot.word(), wanted) {
                    let class = index_of(slot.acquire().word());
                    matched = self.match_class(class, page, hash, pages);
                }
                matched.is_some()
            })?;
            match (found, matched) {
                (Lookup::Found(_), Some(found)) => match found.relation {
                    Relation::Itself => return Ok(found.class),
                    Relation::Same => {
                        pages.merge_into(page.record.pfn, found.leader.pfn);
                        return Ok(found.class);
                    }
                    Relation::Lost => {
                        let new = class_word(page.index(self, filling)?, hash);
                        // mutant: replace-lost-leader
                        if self.records.replace_word(found.class, found.word, new) {
                            pages.merge_into(found.leader.pfn, page.record.pfn);
                            return Ok(found.class);
                        }
                    }
                },
                (Lookup::Found(_), None) => return Err(TableFull),
                (Lookup::Vacant(slot), _) => {
                    let index = page.index(self, filling)?;
                    let class = match new_class {
                        Some(class) => class,
                        None => {
                            let word = class_word(index, hash);
                            self.records.add_word(word, &mut filling.classes)?
                        }
                    };
                    new_class = Some(class);
                    if slot.replace(wanted | index_bits(class)).is_ok() {
                        filling.words += 1;
                        return Ok(class);
                    }
                }
            }
        }
    }

    /// Tells what a class, which was found by some bits of the hash, has to do with the page; `None` if nothing.
    fn match_class(
        &self,
        class: RecordIndex,
        page: &Unclassified,
        hash: u64,
        pages: &mut impl PageAccess,
    ) -> Option<Match> {
        let (word, index, leader) = self.class(class)?;
        if class_hash_of(word) != class_hash(hash) {
            return None;
        }
        // mutant: own-leader
        let relation = if page.index == Some(index) {
            Relation::Itself
        } else {
            match pages.is_same(&page.record, &leader, page.sample_hash) {
                Some(true) => Relation::Same,
                Some(false) if still_has(pages.content_hash(&leader, page.sample_hash), hash) => {
                    return None
                }
                Some(false) | None => Relation::Lost,
            }
        };
        Some(Match {
            class,
            word,
            leader,
            relation,
        })
    }

    /// Returns a class's word, and its leader's index and record.
    fn class(&self, class: RecordIndex) -> Option<(u64, RecordIndex, PageRecord)> {
        let word = self.records.word(class)?;
        let index = index_of(word);
        Some((word, index, self.records.page(index)?))
    }

    /// Removes all pages. Keeps memory for the next set.
    pub fn clear(&mut self) {
        self.table.clear();
        self.records.clear();
    }
}
