// SPDX-License-Identifier: GPL-2.0

//! The read-only pages of one set, classed by content.
//!
//! Each physical page is entered once, however often the set maps it. The first page of each content
//! stands for its class; a further page joins it when its hash agrees *and* the caller's comparison says
//! that the bytes do. All records and both indices are flat arrays: 16 bytes a physical page, and 4 a
//! slot of the indices.

use crate::index::{hash_number, Entry, Index};
use kernel::alloc::kvec::PushError;
use kernel::alloc::{AllocError, Flags, KVVec};

/// Number of a physical page frame.
pub type Pfn = usize;

/// A handle on a physical page that keeps it from being freed and used for something else.
pub trait Page {
    /// The page's frame number.
    fn pfn(&self) -> Pfn;
}

/// What is known of one physical page.
struct Record<P> {
    page: P,
    class: Class,
}

/// The class of identical pages that a record belongs to, in one word.
///
/// # Invariants
///
/// With `MEMBER` set, the low bits are the number of the record that stands for the class. Without,
/// the record itself stands for it, and they are those of the content's hash.
#[derive(Clone, Copy)]
struct Class(u64);

/// The record belongs to the class that another one stands for.
const MEMBER: u64 = 1;
/// The class that this record stands for has at least two pages.
const SHARED: u64 = 2;
const FLAGS: u64 = MEMBER | SHARED;

impl Class {
    fn new(hash: u64) -> Self {
        // INVARIANT: no `MEMBER`, the rest is the hash.
        Self(hash & !FLAGS)
    }

    fn member_of(number: u32) -> Self {
        // INVARIANT: `MEMBER`, the rest is the number.
        Self(u64::from(number) << 32 | MEMBER)
    }

    fn has_hash(self, hash: u64) -> bool {
        self.0 & !FLAGS == hash & !FLAGS
    }

    fn hash(self) -> u64 {
        self.0 & !FLAGS
    }

    /// The number of the record that stands for the class, if it is another one.
    fn leader(self) -> Option<u32> {
        (self.0 & MEMBER != 0).then_some((self.0 >> 32) as u32)
    }
}

/// There is no room for another page: call [`ContentTable::reserve`] where memory may be allocated,
/// and try again.
///
/// Holds the page that did not fit.
#[derive(Debug)]
pub struct NoRoom<P>(pub P);

/// The classes of identical pages of one set.
pub struct ContentTable<P> {
    records: KVVec<Record<P>>,
    by_pfn: Index,
    by_content: Index,
    may_be_shared: u64,
    nb_group: u64,
}

impl<P: Page> ContentTable<P> {
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
        self.by_pfn.reserve(pages, flags, |n| {
            record(n).map_or(0, |r| hash_number(r.page.pfn()))
        })?;
        self.by_content
            .reserve(pages, flags, |n| record(n).map_or(0, |r| r.class.hash()))
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

    /// Enters a physical page by the hash of its content, and keeps its handle. `same` compares the
    /// page's bytes with those of a page entered before.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] with the page if the table must grow first; nothing has changed then.
    pub fn insert(
        &mut self,
        page: P,
        hash: u64,
        mut same: impl FnMut(&P) -> bool,
    ) -> Result<(), NoRoom<P>> {
        let pfn_place = match self.find_pfn(page.pfn()) {
            Some(Entry::Found(number)) => {
                self.join_class_of(number);
                return Ok(());
            }
            Some(Entry::Vacant(place)) => place,
            None => return Err(NoRoom(page)),
        };
        let records = &self.records;
        let content = self.by_content.find(hash, |number| {
            records
                .get(number as usize)
                .is_some_and(|r| r.class.has_hash(hash) && same(&r.page))
        });
        let class = match content {
            Some(Entry::Found(leader)) => Class::member_of(leader),
            Some(Entry::Vacant(_)) => Class::new(hash),
            None => return Err(NoRoom(page)),
        };
        let number = self.records.len() as u32;
        if let Err(PushError(record)) = self.records.push_within_capacity(Record { page, class }) {
            return Err(NoRoom(record.page));
        }
        self.by_pfn.fill(pfn_place, number);
        match content {
            Some(Entry::Vacant(place)) => self.by_content.fill(place, number),
            _ => self.join_class_of(number),
        }
        Ok(())
    }

    /// Forgets all pages and counts, dropping the pages' handles; keeps memory for the next set.
    pub fn clear(&mut self) {
        self.records.clear();
        self.by_pfn.clear();
        self.by_content.clear();
        self.may_be_shared = 0;
        self.nb_group = 0;
    }

    fn find_pfn(&self, pfn: Pfn) -> Option<Entry> {
        self.by_pfn.find(hash_number(pfn), |number| {
            self.records
                .get(number as usize)
                .is_some_and(|r| r.page.pfn() == pfn)
        })
    }

    /// Counts one more page in the class to which a record belongs.
    fn join_class_of(&mut self, number: u32) {
        let record = self.records.get(number as usize);
        let leader = record.and_then(|r| r.class.leader()).unwrap_or(number);
        if let Some(record) = self.records.get_mut(leader as usize) {
            if record.class.0 & SHARED == 0 {
                // INVARIANT: leaves `MEMBER` and the hash as they were.
                record.class.0 |= SHARED;
                self.nb_group += 1;
                // The class's first page was not counted while it was alone.
                self.may_be_shared += 1;
            }
            self.may_be_shared += 1;
        }
    }
}

impl<P: Page> Default for ContentTable<P> {
    fn default() -> Self {
        Self::new()
    }
}
