// SPDX-License-Identifier: GPL-2.0-only

//! A set of pinned pages, to which many workers add at once.

use crate::page::{Frame, PinnedPage};
use abstractions::bindings;
use core::iter::repeat;
use core::mem::take;
use kernel::alloc::{AllocError, Flags};
use kernel::sync::atomic::{Atomic, Relaxed};
use logic::units::Pfn;
use protocol::scan::frame_set::{FrameSet, Inserted, Tally, SHARDS};

pub use protocol::scan::frame_set::Cursor;

/// How many frames before a page is released its `struct page` is fetched from memory.
const FRAMES_AHEAD: usize = 32;

/// A [`FrameSet`] whose pages are referenced, once each, as long as they are in the set.
///
/// It only keeps page references and frame numbers together; what the marks of a frame mean is documented at
/// [`FrameSet`].
///
/// # Invariants
///
/// Each frame in the set came from [`PinnedPage::into_pfn`], and the set owns that reference.
#[derive(Default)]
pub struct PinnedFrames(FrameSet);

/// The result of adding a page.
pub enum AddedPage<'a> {
    /// The page is new, and is the leader of its class until [`PinnedFrames::merge_into`].
    New(Frame<'a>),
    /// The page was in the set already, and is marked as shared now.
    Known,
    /// The set is full: the caller must make it larger and try again.
    TableFull(PinnedPage),
}

impl PinnedFrames {
    /// Returns a set without memory and without room.
    pub fn new() -> Self {
        // INVARIANT: The set has no frame.
        Self(FrameSet::new())
    }

    /// Returns how many pages are guaranteed to fit.
    pub fn room(&self) -> usize {
        self.0.room()
    }

    /// Returns how many words of the table hold frames.
    pub fn words(&self) -> usize {
        self.0.words()
    }

    /// Makes room for `additional` more pages. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the set is unchanged.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        self.0.reserve(additional, flags)
    }

    /// Makes the set larger, after [`AddedPage::TableFull`]. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the set is unchanged.
    pub fn grow(&mut self, flags: Flags) -> Result<(), AllocError> {
        self.0.grow(flags)
    }

    /// Marks a page as shared. Returns false, and does nothing, if the page is not in the set.
    #[inline]
    pub fn mark_shared<'a>(&'a self, pfn: Pfn, cursor: &mut Cursor<'a>) -> bool {
        self.0.mark_shared(pfn, cursor)
    }

    /// Adds a page. A page that is in the set already is released. Adds the table words that it takes to
    /// `added`, which the caller passes to [`Self::add_to_len`].
    #[inline]
    pub fn insert<'a>(
        &'a self,
        page: PinnedPage,
        cursor: &mut Cursor<'a>,
        added: &mut usize,
    ) -> AddedPage<'a> {
        let pfn = page.pfn();
        match self.0.insert(pfn, cursor) {
            Ok(Inserted::New { took_new_word }) => {
                *added += usize::from(took_new_word);
                // INVARIANT: Only this call has added the frame, so the set owns one reference to it.
                page.into_pfn();
                // SAFETY: By the type invariants, the set owns a reference to the page, and it keeps that
                // until it is borrowed mutably.
                unsafe { Frame::new(pfn) }.map_or(AddedPage::Known, AddedPage::New)
            }
            Ok(Inserted::Known) => AddedPage::Known,
            Err(_) => AddedPage::TableFull(page),
        }
    }

    /// Adds to the number of table words that insertions have taken.
    pub fn add_to_len(&self, words: usize) {
        self.0.add_to_len(words);
    }

    /// Returns the content of the page in this frame, if it is in the set.
    #[inline]
    pub fn frame(&self, pfn: Pfn) -> Option<Frame<'_>> {
        if !self.0.contains(pfn) {
            return None;
        }
        // SAFETY: By the type invariants, the set owns a reference to the page, and it keeps that until it is
        // borrowed mutably.
        unsafe { Frame::new(pfn) }
    }

    /// Records that `follower` has the same content as `leader`, which stands for both from now on.
    #[inline]
    pub fn merge_into(&self, follower: Pfn, leader: Pfn) {
        self.0.clear_leader(follower);
        self.0.mark_shared(leader, &mut Cursor::default());
    }

    /// Counts the classes of identical pages. All insertions must have ended.
    pub fn tally(&self) -> Tally {
        self.0.tally()
    }

    /// Empties the set. The result releases the pages, which several threads may do at once.
    pub fn drain(&mut self) -> Drain<'_> {
        Drain {
            // INVARIANT: The references move with the frames; the set has no frame now.
            frames: take(&mut self.0),
            next_shard: Atomic::new(0),
            set: self,
        }
    }
}

impl Drop for PinnedFrames {
    fn drop(&mut self) {
        drop(self.drain());
    }
}

/// Releases the pages of a set, shard by shard. When it is dropped, it releases the rest and gives the set its
/// memory back.
///
/// # Invariants
///
/// Owns a reference to each page in the shards of `frames` from `next_shard` on.
#[must_use = "dropping it releases all pages on the calling thread"]
pub struct Drain<'a> {
    frames: FrameSet,
    next_shard: Atomic<usize>,
    set: &'a mut PinnedFrames,
}

impl Drain<'_> {
    /// Releases the pages of the next shard. Returns false if there is none left.
    pub fn release_shard(&self) -> bool {
        // INVARIANT: The references in this shard are this call's now.
        let shard = self.next_shard.fetch_add(1, Relaxed);
        if shard >= SHARDS {
            return false;
        }
        let frames = || self.frames.frames_of_shard(shard);
        let ahead = frames().skip(FRAMES_AHEAD).map(Some);
        for (pfn, next) in frames().zip(ahead.chain(repeat(None))) {
            if let Some(next) = next {
                // SAFETY: An FFI call with no additional requirements: a prefetch does not access memory.
                unsafe { bindings::abstractions_prefetch_struct_page(next) };
            }
            // SAFETY: By the type invariants, the reference was the drain's, and `fetch_add` returned this
            // shard to this call only.
            drop(unsafe { PinnedPage::from_pfn(pfn) });
        }
        true
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        while self.release_shard() {}
        // INVARIANT: All references were put, and the set gets no frame, only memory.
        self.frames.clear();
        self.set.0 = take(&mut self.frames);
    }
}
