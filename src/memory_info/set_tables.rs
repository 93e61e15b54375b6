// SPDX-License-Identifier: GPL-2.0-only

//! The tables that the workers at one set fill.

use crate::release::release_pages;
use abstractions_pages::pinned_frames::PinnedFrames;
use abstractions_rwsem::{ReadGuard, RwSemaphore};
use kernel::alloc::AllocError;
use kernel::prelude::*;
use protocol::scan::content_table::ContentTable;
use protocol::scan::frame_set::Tally;

/// The pages of a set and their classes.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) pages: PinnedFrames,
    pub(crate) contents: ContentTable,
}

impl Tables {
    fn room(&self) -> usize {
        self.pages.room().min(self.contents.room())
    }

    fn reserve(&mut self, pages: usize, contents: usize) -> Result<(), AllocError> {
        let pinned = self.pages.reserve(pages, GFP_KERNEL);
        pinned.and(self.contents.reserve(contents, GFP_KERNEL))
    }

    fn grow(&mut self) -> Result<(), AllocError> {
        let pinned = self.pages.grow(GFP_KERNEL);
        pinned.and(self.contents.grow(GFP_KERNEL))
    }
}

/// The tables of one owner's set. The workers at the set hold the semaphore for reading while they fill
/// the tables, which need no further lock; growing and clearing hold it for writing.
#[pin_data]
pub(crate) struct SetTables {
    #[pin]
    tables: RwSemaphore<Tables>,
}

impl SetTables {
    /// Creates empty tables.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            tables <- RwSemaphore::new(Tables::default()),
        })
    }

    /// Locks the tables for filling, with room for this many pages unless other workers take it. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the tables are unchanged.
    pub(crate) fn read_with_room(&self, pages: usize) -> Result<ReadGuard<'_, Tables>, AllocError> {
        loop {
            let tables = self.tables.read();
            if tables.room() >= pages {
                return Ok(tables);
            }
            drop(tables);
            self.tables.write().reserve(pages, pages)?;
        }
    }

    /// Makes the tables larger after one of them was full, whatever room they report. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the tables are unchanged.
    pub(crate) fn grow(&self) -> Result<(), AllocError> {
        self.tables.write().grow()
    }

    /// Reserves room for the set's first large address space at once, so that workers do not stall on
    /// repeated growing. `pages` is an upper bound of its read-only pages. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the tables are unchanged.
    pub(crate) fn reserve_for_first_mm(&self, pages: usize) -> Result<(), AllocError> {
        // A word of the frames covers eight neighbours, and the kernel mostly allocates frames in runs:
        // a quarter is enough. The contents get a quarter more: the fuller a table, the longer its probe
        // sequences.
        self.tables.write().reserve(pages / 4, pages + pages / 4)
    }

    /// Counts the classes and clears the tables for the next set, giving the pages up on this many
    /// `workers`. May sleep.
    pub(crate) fn finish(&self, workers: usize) -> Tally {
        let mut tables = self.tables.write();
        let tally = tables.pages.tally();
        release_pages(&mut tables.pages, workers);
        tables.contents.clear();
        tally
    }
}
