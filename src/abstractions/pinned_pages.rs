// SPDX-License-Identifier: GPL-2.0-only

//! A set of physical pages that are kept from being freed, and added to by many workers at once.

use crate::bindings;
use crate::page::{Frame, PinnedPage};
use crate::workers::{run_together, Level};
use core::iter::repeat;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::{AllocError, Flags};
use kernel::sync::atomic::{Atomic, Relaxed};
use protocol::scan::frame_set::{FrameSet, Inserted, Tally, SHARDS};
use logic::units::Pfn;

pub use protocol::scan::frame_set::Cursor;

/// How far ahead of giving pages up their `struct page` is fetched from memory.
const FRAMES_AHEAD: usize = 32;

/// From 4096 to 32768 pages: giving up fewer is not worth waking a worker.
const LARGE: usize = 4096;

/// The pages, each referenced once.
///
/// # Invariants
///
/// Each frame in the set came from [`PinnedPage::into_pfn`] and owns that reference.
pub struct PinnedPages(FrameSet);

/// What became of a page.
pub enum Kept<'a> {
    /// It is new, and a leader until [`PinnedPages::merge_into`].
    New(Frame<'a>),
    /// It was there already, and counts as shared now.
    Known,
    /// There is no room: call [`PinnedPages::grow`], and try again.
    TableFull(PinnedPage),
}

impl PinnedPages {
    /// A set without memory and without room.
    pub fn new() -> Self {
        // INVARIANT: no frame.
        Self(FrameSet::new())
    }

    /// How many pages it surely takes before it should grow.
    pub fn room(&self) -> usize {
        self.0.room()
    }

    /// Makes room for `additional` more pages. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory the set is as it was.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.0.reserve(additional, flags)
    }

    /// Makes room after [`Kept::TableFull`].
    ///
    /// # Errors
    ///
    /// As [`Self::reserve`].
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.0.grow(flags)
    }

    /// Marks a page of the set as shared. False, and nothing done, if it is not in the set.
    pub fn mark_shared<'a>(&'a self, pfn: Pfn, cursor: &mut Cursor<'a>) -> bool {
        self.0.mark_shared(pfn, cursor)
    }

    /// Adds a page; one that is there already is given up. Adds the words that it takes to `added`, which
    /// [`Self::add_to_len`] wants to know.
    pub fn insert<'a>(
        &'a self,
        page: PinnedPage,
        cursor: &mut Cursor<'a>,
        added: &mut usize,
    ) -> Kept<'a> {
        let pfn = page.pfn();
        match self.0.insert(pfn, cursor) {
            Ok(Inserted::New { took_new_word }) => {
                *added += usize::from(took_new_word);
                // INVARIANT: this call alone has added it.
                page.into_pfn();
                // SAFETY: the set keeps the reference until it is borrowed mutably.
                unsafe { Frame::new(pfn) }.map_or(Kept::Known, Kept::New)
            }
            Ok(Inserted::Known) => Kept::Known,
            Err(_) => Kept::TableFull(page),
        }
    }

    /// Counts words that insertions have taken.
    pub fn add_to_len(&self, words: usize) {
        self.0.add_to_len(words);
    }

    /// The page in this frame, if it is in the set.
    pub fn frame(&self, pfn: Pfn) -> Option<Frame<'_>> {
        let known = self.0.contains(pfn);
        // SAFETY: the set keeps the reference until it is borrowed mutably.
        known.then(|| unsafe { Frame::new(pfn) }).flatten()
    }

    /// Says that `leader` stands for the content of `follower`.
    pub fn merge_into(&self, follower: Pfn, leader: Pfn) {
        self.0.clear_leader(follower);
        self.0.mark_shared(leader, &mut Cursor::default());
    }

    /// Counts classes, once all have ended.
    pub fn tally(&self) -> Tally {
        self.0.tally()
    }

    /// Gives all pages up, many of them on several of so many `workers` at once; keeps memory for the
    /// next set. May sleep.
    pub fn clear(&mut self, workers: usize) {
        let is_large = self.0.words() >= LARGE;
        let next = Atomic::new(0);
        let workers = if is_large { workers } else { 1 };
        run_together(workers, Level::Inner, GFP_KERNEL, &|_| loop {
            let shard = next.fetch_add(1, Relaxed);
            if shard >= SHARDS {
                return;
            }
            // SAFETY: each shard is taken once; the set, borrowed mutably, forgets it below.
            unsafe { self.give_up(shard) };
        });
        self.0.clear();
    }

    /// # Safety
    ///
    /// Called once, and then the set forgets the shard's frames.
    unsafe fn give_up(&self, shard: usize) {
        let frames = || self.0.frames_of_shard(shard);
        let ahead = frames().skip(FRAMES_AHEAD).map(Some);
        for (pfn, next) in frames().zip(ahead.chain(repeat(None))) {
            if let Some(next) = next {
                // SAFETY: only an address is computed.
                unsafe { bindings::abstractions_prefetch_struct_page(next) };
            }
            // SAFETY: by the type's invariants the reference is the set's, and by this function's own
            // requirement moves here once.
            drop(unsafe { PinnedPage::from_pfn(pfn) });
        }
    }
}

impl Default for PinnedPages {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PinnedPages {
    fn drop(&mut self) {
        self.clear(1);
    }
}
