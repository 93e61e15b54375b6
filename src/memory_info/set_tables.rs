// SPDX-License-Identifier: GPL-2.0-only

//! The tables that the workers at one set fill.

use abstractions::memory::GFP_KERNEL_NO_OOM;
use abstractions_rwsem::{ReadGuard, RwSemaphore};
use kernel::alloc::AllocError;
use kernel::prelude::*;
use protocol::scan::content_table::ContentTable;
use protocol::scan::frame_set::{FrameSet, Tally};

/// The frames of a set, and its pages by content. They hold no reference to any page.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) frames: FrameSet,
    pub(crate) contents: ContentTable,
}

impl Tables {
    fn room(&self) -> usize {
        self.frames.room().min(self.contents.room())
    }

    fn reserve(&mut self, frames: usize, contents: usize) -> Result<(), AllocError> {
        let reserved = self.frames.reserve(frames, GFP_KERNEL_NO_OOM);
        reserved.and(self.contents.reserve(contents, GFP_KERNEL_NO_OOM))
    }

    fn grow(&mut self) -> Result<(), AllocError> {
        let grown = self.frames.grow(GFP_KERNEL_NO_OOM);
        grown.and(self.contents.grow(GFP_KERNEL_NO_OOM))
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
        // a quarter is enough.
        self.tables.write().reserve(pages / 4, pages)
    }

    /// Counts the classes and clears the tables for the next set. May sleep.
    pub(crate) fn finish(&self) -> Tally {
        let mut tables = self.tables.write();
        let tally = tables.frames.tally();
        tables.frames.clear();
        tables.contents.clear();
        tally
    }
}
