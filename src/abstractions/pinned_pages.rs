// SPDX-License-Identifier: GPL-2.0

//! A set of physical pages that are kept from being freed, and added to by many workers at once.

use crate::bindings;
use crate::page::{Frame, PinnedPage};
use core::iter::repeat;
use kernel::alloc::{AllocError, Flags};
use logic::content_table::Pfn;
use logic::frame_set::{FrameSet, Inserted, Tally};

pub use logic::frame_set::Near;

/// How far ahead of giving pages up their `struct page` is fetched from memory.
const FRAMES_AHEAD: usize = 32;

/// The pages, each referenced once.
///
/// # Invariants
///
/// Each frame in the set came from [`PinnedPage::into_pfn`] and owns that reference.
pub struct PinnedPages(FrameSet);

/// What became of a page.
pub enum Kept<'a> {
    /// It is new, and a leader until [`PinnedPages::join`].
    New(Frame<'a>),
    /// It was there already, and counts as shared now.
    Known,
    /// There is no room: call [`PinnedPages::grow`], and try again.
    NoRoom(PinnedPage),
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

    /// Makes room after [`Kept::NoRoom`].
    ///
    /// # Errors
    ///
    /// As [`Self::reserve`].
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.0.grow(flags)
    }

    /// Marks a page of the set as shared. False, and nothing done, if it is not in the set.
    pub fn see_again<'a>(&'a self, pfn: Pfn, near: &mut Near<'a>) -> bool {
        self.0.see_again(pfn, near)
    }

    /// Adds a page; one that is there already is given up. Adds the places it fills to `filled`, which
    /// [`Self::count_filled`] wants to know.
    pub fn insert<'a>(
        &'a self,
        page: PinnedPage,
        near: &mut Near<'a>,
        filled: &mut usize,
    ) -> Kept<'a> {
        let pfn = page.pfn();
        match self.0.insert(pfn, near) {
            Ok(Inserted::New { fills }) => {
                *filled += usize::from(fills);
                // INVARIANT: this call alone has added it.
                page.into_pfn();
                // SAFETY: the set keeps the reference until it is borrowed mutably.
                unsafe { Frame::new(pfn) }.map_or(Kept::Known, Kept::New)
            }
            Ok(Inserted::Known) => Kept::Known,
            Err(_) => Kept::NoRoom(page),
        }
    }

    /// Counts places that insertions have filled.
    pub fn count_filled(&self, words: usize) {
        self.0.count_filled(words);
    }

    /// The page in this frame, if it is in the set.
    pub fn frame(&self, pfn: Pfn) -> Option<Frame<'_>> {
        let known = self.0.contains(pfn);
        // SAFETY: the set keeps the reference until it is borrowed mutably.
        known.then(|| unsafe { Frame::new(pfn) }).flatten()
    }

    /// Says that `leader` stands for the content of `follower`.
    pub fn join(&self, follower: Pfn, leader: Pfn) {
        self.0.follow(follower);
        self.0.see_again(leader, &mut Near::default());
    }

    /// Counts classes, once all have ended.
    pub fn tally(&self) -> Tally {
        self.0.tally()
    }

    /// Gives all pages up; keeps memory for the next set. May sleep.
    pub fn clear(&mut self) {
        let ahead = self.0.frames().skip(FRAMES_AHEAD).map(Some);
        for (pfn, next) in self.0.frames().zip(ahead.chain(repeat(None))) {
            if let Some(next) = next {
                // SAFETY: only an address is computed.
                unsafe { bindings::abstractions_prefetch_struct_page(next) };
            }
            // SAFETY: by the type's invariants the reference is the set's, which forgets the frame.
            drop(unsafe { PinnedPage::from_pfn(pfn) });
        }
        self.0.clear();
    }
}

impl Default for PinnedPages {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PinnedPages {
    fn drop(&mut self) {
        self.clear();
    }
}
