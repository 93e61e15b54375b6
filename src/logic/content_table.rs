// SPDX-License-Identifier: GPL-2.0

//! The read-only pages of one set, classed by content.
//!
//! Each physical page is entered once, however often the set maps it. The first page of each content
//! stands for its class; a further page joins when its hash agrees *and* the caller's comparison says
//! that the bytes do. All records and both indices are flat arrays: 16 bytes a physical page, and 4 a
//! slot of the indices.

use crate::index::{Entry, Index};
use kernel::alloc::{AllocError, Flags, KVVec};

/// Number of a physical page frame.
pub type Pfn = u64;

/// What is known of one physical page.
///
/// # Invariants
///
/// Without `MEMBER`, `hash_or_class` is the hash of the page's content, and the page stands for its
/// class. With it, `hash_or_class` is the number of the record that does.
#[derive(Clone, Copy)]
struct Record {
    pfn_and_flags: u64,
    hash_or_class: u64,
}

/// The record belongs to the class that another one stands for.
const MEMBER: u64 = 1 << 63;
/// The class that this record stands for has at least two pages.
const SHARED: u64 = 1 << 62;
const FLAGS: u64 = MEMBER | SHARED;

impl Record {
    fn pfn(&self) -> Pfn {
        self.pfn_and_flags & !FLAGS
    }

    fn is_member(&self) -> bool {
        self.pfn_and_flags & MEMBER != 0
    }
}

/// There is no room for another page: call [`ContentTable::reserve`] where memory may be allocated,
/// and try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// The classes of identical pages of one set.
pub struct ContentTable {
    records: KVVec<Record>,
    by_pfn: Index,
    by_content: Index,
    may_be_shared: u64,
    nb_group: u64,
}

impl ContentTable {
    /// A table without memory and without room.
    pub const fn new() -> Self {
        Self {
            records: KVVec::new(),
            by_pfn: Index::new(),
            by_content: Index::new(),
            may_be_shared: 0,
            nb_group: 0,
        }
    }

    /// How many new physical pages it takes before it must grow.
    pub fn room(&self) -> usize {
        (self.records.capacity() - self.records.len())
            .min(self.by_pfn.room())
            .min(self.by_content.room())
    }

    /// Makes room for `pages` more physical pages. May sleep if `flags` do; growing is geometric.
    ///
    /// # Errors
    ///
    /// Without memory the table holds what it held.
    pub fn reserve(&mut self, pages: usize, flags: Flags) -> Result<(), AllocError> {
        let end = self.records.len().checked_add(pages).ok_or(AllocError)?;
        if end >= u32::MAX as usize {
            return Err(AllocError);
        }
        self.records.reserve(pages, flags)?;
        let records = &self.records;
        let record = |number: u32| records.get(number as usize);
        self.by_pfn
            .reserve(pages, flags, |n| record(n).map_or(0, |r| pfn_hash(r.pfn())))?;
        self.by_content
            .reserve(pages, flags, |n| record(n).map_or(0, |r| r.hash_or_class))
    }

    /// Pages with at least one identical partner.
    pub fn may_be_shared(&self) -> u64 {
        self.may_be_shared
    }

    /// Classes of at least two identical pages.
    pub fn nb_group(&self) -> u64 {
        self.nb_group
    }

    /// Counts one more mapping of a physical page that is known already. False, and nothing counted,
    /// if it is not.
    pub fn map_again(&mut self, pfn: Pfn) -> bool {
        match self.find_pfn(pfn) {
            Some(Entry::Found(number)) => {
                self.join_class_of(number);
                true
            }
            _ => false,
        }
    }

    /// Enters a physical page by the hash of its content. `same` compares the page's bytes with
    /// those of a page entered before.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if the table must grow first; nothing has changed then.
    pub fn insert(
        &mut self,
        pfn: Pfn,
        hash: u64,
        mut same: impl FnMut(Pfn) -> bool,
    ) -> Result<(), NoRoom> {
        let pfn_place = match self.find_pfn(pfn).ok_or(NoRoom)? {
            Entry::Found(number) => {
                self.join_class_of(number);
                return Ok(());
            }
            Entry::Vacant(place) => place,
        };
        let records = &self.records;
        let content = self.by_content.find(hash, |number| {
            records
                .get(number as usize)
                .is_some_and(|r| r.hash_or_class == hash && same(r.pfn()))
        });
        let number = self.records.len() as u32;
        let record = match content.ok_or(NoRoom)? {
            // INVARIANT: the class's record was found in `by_content`, which holds no members.
            Entry::Found(class) => Record {
                pfn_and_flags: pfn | MEMBER,
                hash_or_class: u64::from(class),
            },
            // INVARIANT: the hash is the caller's, of this page's content.
            Entry::Vacant(_) => Record {
                pfn_and_flags: pfn,
                hash_or_class: hash,
            },
        };
        self.records.push_within_capacity(record).map_err(|_| NoRoom)?;
        self.by_pfn.fill(pfn_place, number);
        match content {
            Some(Entry::Found(class)) => self.join_class_of(class),
            Some(Entry::Vacant(place)) => self.by_content.fill(place, number),
            None => {}
        }
        Ok(())
    }

    /// The physical pages entered so far, each once.
    pub fn pfns(&self) -> impl Iterator<Item = Pfn> + '_ {
        self.records.iter().map(Record::pfn)
    }

    /// Forgets all pages and counts, keeping the memory for the next set.
    pub fn clear(&mut self) {
        self.records.clear();
        self.by_pfn.clear();
        self.by_content.clear();
        self.may_be_shared = 0;
        self.nb_group = 0;
    }

    fn find_pfn(&self, pfn: Pfn) -> Option<Entry> {
        self.by_pfn.find(pfn_hash(pfn), |number| {
            self.records.get(number as usize).is_some_and(|r| r.pfn() == pfn)
        })
    }

    /// Counts one more page in the class to which a record belongs.
    fn join_class_of(&mut self, number: u32) {
        let class = match self.records.get(number as usize) {
            Some(record) if record.is_member() => record.hash_or_class as usize,
            _ => number as usize,
        };
        if let Some(record) = self.records.get_mut(class) {
            if record.pfn_and_flags & SHARED == 0 {
                record.pfn_and_flags |= SHARED;
                self.nb_group += 1;
                // The class's first page was not counted while it was alone.
                self.may_be_shared += 1;
            }
            self.may_be_shared += 1;
        }
    }
}

impl Default for ContentTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Spreads frame numbers, which come in runs (Knuth's multiplicative hash, by 2^64 / golden ratio).
fn pfn_hash(pfn: Pfn) -> u64 {
    pfn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
