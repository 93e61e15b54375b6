// SPDX-License-Identifier: GPL-2.0-only

//! The walk of one batch: counting pages, and sampling those that are new to the set.
//!
//! All of it happens while an area is locked, and nothing else does: nothing is allocated, and no page is read as a
//! whole.

use crate::sample::{prefetch_sample, sample};
use crate::set_scan::ChunkCounts;
use abstractions::memory::GFP_KERNEL_NO_OOM;
use abstractions_pages::frame::Owner;
use abstractions_pages::mapped_page::{MappedPage, PageContent};
use abstractions_pages::page_walk::Visitor;
use core::mem::take;
use core::ops::ControlFlow;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic::hash::hash_number;
use logic::units::{Pfn, MAX_PFN};
use logic_memory_info::page_hash::Sampling;
use protocol::scan::frame_set::{Cursor, FrameSet};

/// Pages of a batch that may be new to the set.
pub(crate) const BATCH_PAGES: usize = 512;
/// Pages whose samples are fetched from memory at the same time.
const PREFETCHED_PAGES: usize = 16;

/// A page that may be new to the set, as it was met.
pub(crate) struct Candidate {
    pub(crate) address: usize,
    /// The frame's number or, if another page was met in this frame before, a number of its own.
    pub(crate) pfn: Pfn,
    pub(crate) owner: u8,
    pub(crate) sample_hash: u64,
}

/// The pages that were met in one batch.
pub(crate) struct Found {
    pub(crate) candidates: KVVec<Candidate>,
    /// Addresses of pages that were moved while they were sampled, and have to be looked at again.
    pub(crate) moved: KVVec<usize>,
}

impl Found {
    /// Allocates memory for the pages of a batch. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn new() -> Result<Self, AllocError> {
        Ok(Self {
            candidates: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL_NO_OOM)?,
            moved: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL_NO_OOM)?,
        })
    }

    fn len(&self) -> usize {
        self.candidates.len() + self.moved.len()
    }
}

/// Returns the tag by which a frame's owner is recognized.
pub(crate) fn owner_tag(owner: Owner) -> u8 {
    (owner.0 ^ owner.0 >> 8 ^ owner.0 >> 16 ^ owner.0 >> 24) as u8
}

/// Numbers of frames that no machine has, for pages in frames where another page was met before.
const SECOND_PAGES: Pfn = MAX_PFN / 2;

/// Returns a number for a page in a frame that was used for another page before.
fn second_number(pfn: Pfn, owner: Owner) -> Pfn {
    let mixed = hash_number(pfn ^ hash_number(owner.0 as usize) as usize);
    SECOND_PAGES | (mixed >> 16) as usize % SECOND_PAGES
}

/// Counts present pages, and samples those that may be shared and are new to the set.
pub(crate) struct Batch<'a, 'w> {
    pub(crate) frames: &'a FrameSet,
    pub(crate) cursor: Cursor<'a>,
    pub(crate) sampling: &'a Sampling,
    pub(crate) found: &'a mut Found,
    pub(crate) counts: &'a mut ChunkCounts,
    /// True if the pages of the area may be shared.
    pub(crate) is_shareable: bool,
    /// True if a page that is being moved is passed over: it took too long.
    pub(crate) skips_moving: bool,
    /// True if the walk ended at a page that is being moved.
    pub(crate) met_moving: bool,
    waiting: [Option<(Pfn, PageContent<'w>)>; PREFETCHED_PAGES],
    waiting_pages: usize,
}

impl<'a, 'w> Batch<'a, 'w> {
    /// Begins a batch, or goes on with one in another area.
    pub(crate) fn new(
        frames: &'a FrameSet,
        sampling: &'a Sampling,
        found: &'a mut Found,
        counts: &'a mut ChunkCounts,
        is_shareable: bool,
    ) -> Self {
        Self {
            frames,
            cursor: Cursor::default(),
            sampling,
            found,
            counts,
            is_shareable,
            skips_moving: false,
            met_moving: false,
            waiting: [const { None }; PREFETCHED_PAGES],
            waiting_pages: 0,
        }
    }

    /// Samples the pages whose fetching has begun. It is called before the area is unlocked.
    pub(crate) fn flush(&mut self) {
        let waiting = take(&mut self.waiting_pages);
        for (pfn, page) in self
            .waiting
            .iter_mut()
            .take(waiting)
            .filter_map(Option::take)
        {
            let sampled = sample(&page, self.sampling);
            let owner = owner_tag(page.owner());
            // Both have the capacity of a batch, and the walk ends when a batch is full.
            if !page.is_unchanged() {
                let _ = self.found.moved.push_within_capacity(page.address());
            } else if let Ok(sample_hash) = sampled {
                self.counts.mappings += 1;
                let _ = self.found.candidates.push_within_capacity(Candidate {
                    address: page.address(),
                    pfn,
                    owner,
                    sample_hash,
                });
            }
        }
    }
}

impl<'w> Visitor<'w> for Batch<'_, 'w> {
    fn visit(&mut self, page: MappedPage<'w>) -> ControlFlow<()> {
        if !self.is_shareable {
            self.counts.valid += 1;
            return ControlFlow::Continue(());
        }
        let mut pfn = page.pfn();
        let content = page.content();
        if let Some(content) = &content {
            // Where no other process maps the frame, it may have been freed since it was met, and used again.
            if self.frames.contains(pfn, &mut self.cursor) && !content.may_be_shared() {
                pfn = second_number(pfn, content.owner());
            }
        }
        if self.frames.mark_shared(pfn, &mut self.cursor) {
            self.counts.mappings += 1;
        } else if let Some(content) = content {
            if self.found.len() + self.waiting_pages == BATCH_PAGES {
                return ControlFlow::Break(());
            }
            prefetch_sample(&content, self.sampling);
            if let Some(place) = self.waiting.get_mut(self.waiting_pages) {
                *place = Some((pfn, content));
                self.waiting_pages += 1;
            }
            if self.waiting_pages == PREFETCHED_PAGES {
                self.flush();
            }
        }
        self.counts.valid += 1;
        ControlFlow::Continue(())
    }

    fn visit_moving(&mut self, _address: usize) -> ControlFlow<()> {
        if self.skips_moving {
            return ControlFlow::Continue(());
        }
        self.met_moving = true;
        ControlFlow::Break(())
    }
}
