// SPDX-License-Identifier: GPL-2.0-only

//! Scanning a chunk of an address space, in batches.
//!
//! A batch begins with the `mmap_lock` held for reading: the worker counts page-table entries and pins
//! new read-only pages, until the batch is full or enough entries were read. Then it releases the
//! `mmap_lock` and samples and classifies the pinned pages. So a scanned process is stalled for the
//! walk of one batch at most, never while memory is read or allocated.
//!
//! Pages stay pinned until their set is finished: otherwise a frame could be freed and come back as
//! another page of the same set.

use crate::cancel::ScanCancellation;
use crate::sample::{prefetch_sample, prefetch_start, sample};
use crate::set_scan::{Chunk, ChunkCounts};
use crate::set_tables::{SetTables, Tables};
use abstractions_mm::mmap_lock::MmapRead;
use abstractions_pages::mapped_page::MappedPage;
use abstractions_pages::page::PinnedPage;
use abstractions_pages::page_walk::{walk, Visitor};
use abstractions_pages::pinned_frames::{AddedPage, Cursor, PinnedFrames};
use abstractions_task::current::cond_resched;
use core::ops::ControlFlow;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic::units::{PageCopy, Pfn, PAGE_SIZE};
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;
use protocol::scan::content_table::PageAccess;
use protocol::scan::word_table::TableFull;

/// Pages of a batch: pinned first, and then read.
const BATCH_PAGES: usize = 512;
/// Pages whose samples are fetched from memory at the same time.
const PREFETCHED_PAGES: usize = 32;
/// Page-table entries that are read before the `mmap_lock` is released: about 0.1 ms.
const BATCH_ENTRIES: usize = 4096;
/// The cost of finding an area, in entries.
const ENTRIES_PER_VMA: usize = 32;

/// A worker's own memory.
pub(crate) struct Workspace<'a> {
    worker: usize,
    cancellation: &'a ScanCancellation<'a>,
    sampling: &'a Sampling,
    pinned: KVVec<PinnedPage>,
    /// The hashes of the samples of `pinned`.
    hashes: KVVec<u64>,
    /// A page that is in the set but not in a class yet, and the hash of its sample.
    unclassified: Option<(Pfn, u64)>,
    copy: KBox<PageCopy>,
}

impl<'a> Workspace<'a> {
    /// Allocates the memory of one worker. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn new(
        worker: usize,
        cancellation: &'a ScanCancellation<'a>,
        sampling: &'a Sampling,
    ) -> Result<Self, AllocError> {
        Ok(Self {
            worker,
            cancellation,
            sampling,
            pinned: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL)?,
            hashes: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL)?,
            unclassified: None,
            copy: KBox::new([0; PAGE_SIZE], GFP_KERNEL)?,
        })
    }

    /// Scans a chunk into the tables of its set. May sleep.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, a fatal signal is pending, or the scan was cancelled.
    pub(crate) fn scan(&mut self, set: &SetTables, chunk: &Chunk) -> Result<ChunkCounts, Failure> {
        let mut counts = ChunkCounts::default();
        let mut next = Some(chunk.start);
        while let Some(at) = next {
            self.cancellation.check(self.worker)?;
            let mut tables = set.read_with_room(BATCH_PAGES)?;
            let guard = MmapRead::lock_killable(&chunk.mm)?;
            let mut batch = Batch {
                pages: &tables.pages,
                cursor: Cursor::default(),
                pinned: &mut self.pinned,
                counts: &mut counts,
                shareable: false,
            };
            next = batch.collect(&guard, at, chunk.end);
            drop(guard);
            self.sample(&tables);
            while self.classify(&tables).is_err() {
                drop(tables);
                set.grow()?;
                tables = set.read_with_room(BATCH_PAGES)?;
            }
            drop(tables);
            cond_resched();
        }
        Ok(counts)
    }

    /// Samples the pinned pages. This is a separate pass, since the atomic operations of classification
    /// would serialize its cache misses.
    fn sample(&mut self, tables: &Tables) {
        let sampling = self.sampling;
        self.hashes.clear();
        for pages in self.pinned.chunks(PREFETCHED_PAGES) {
            for page in pages {
                prefetch_sample(page.frame(), sampling);
            }
            for page in pages {
                let hash = sampling.sample_hash(&sample(page.frame(), sampling));
                tables.contents.prefetch(hash);
                // It has the capacity of a batch.
                let _ = self.hashes.push_within_capacity(hash);
            }
        }
        // Pages are taken from the end: reversed, in the order in which memory is read fastest.
        self.pinned.reverse();
        self.hashes.reverse();
    }

    /// Classifies those of the sampled pages that are new to the set.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`]; the caller grows the tables and calls this again for the remaining pages.
    fn classify(&mut self, tables: &Tables) -> Result<(), TableFull> {
        let mut comparison = Comparison {
            pages: &tables.pages,
            copy: &mut self.copy,
            sampling: self.sampling,
            has_read: false,
        };
        let mut cursor = Cursor::default();
        let mut added = AddedWords::default();
        let mut result = Ok(());
        while result.is_ok() {
            if let Some((pfn, hash)) = self.unclassified {
                result = tables
                    .contents
                    .classify(pfn, hash, &mut comparison, &mut added.contents);
                if result.is_ok() {
                    self.unclassified = None;
                }
                continue;
            }
            let Some((page, hash)) = self.pinned.pop().zip(self.hashes.pop()) else {
                break;
            };
            if comparison.has_read {
                comparison.has_read = false;
                // The next page is likely to be read, too.
                if let Some(next) = self.pinned.last() {
                    prefetch_start(next.frame());
                }
            }
            match tables.pages.insert(page, &mut cursor, &mut added.pages) {
                AddedPage::Known => {}
                AddedPage::New(frame) => self.unclassified = Some((frame.pfn(), hash)),
                AddedPage::TableFull(page) => {
                    let _ = self.pinned.push_within_capacity(page);
                    let _ = self.hashes.push_within_capacity(hash);
                    result = Err(TableFull);
                }
            }
        }
        tables.pages.add_to_len(added.pages);
        tables.contents.add_to_len(added.contents);
        result
    }
}

/// Words that were added to the tables.
#[derive(Default)]
struct AddedWords {
    pages: usize,
    contents: usize,
}

/// Counts present pages, and pins those whose content is to be read.
struct Batch<'a> {
    pages: &'a PinnedFrames,
    cursor: Cursor<'a>,
    pinned: &'a mut KVVec<PinnedPage>,
    counts: &'a mut ChunkCounts,
    /// True if the pages of the current area may be shared.
    shareable: bool,
}

impl Batch<'_> {
    /// Walks from `at` on. Returns the address at which the next batch begins, if it is below `end`.
    fn collect(&mut self, guard: &MmapRead<'_>, mut at: usize, end: usize) -> Option<usize> {
        let mut entries = 0;
        while entries < BATCH_ENTRIES {
            let area = guard.find_area(at)?;
            let from = area.start().max(at);
            let to = area.end().min(end);
            if from >= to {
                return None;
            }
            self.shareable = area.is_read_only() && area.has_readable_pages();
            let progress = walk(area, from..to, BATCH_ENTRIES - entries, self);
            self.counts.total += ((progress.reached - from) / PAGE_SIZE) as u64;
            at = progress.reached;
            if at < to {
                break;
            }
            entries += progress.entries + ENTRIES_PER_VMA;
        }
        (at < end).then_some(at)
    }
}

impl Visitor for Batch<'_> {
    fn visit(&mut self, page: MappedPage<'_>) -> ControlFlow<()> {
        if self.shareable {
            if self.pages.mark_shared(page.pfn(), &mut self.cursor) {
                self.counts.mappings += 1;
            } else {
                if self.pinned.len() == BATCH_PAGES {
                    return ControlFlow::Break(());
                }
                if let Some(pinned) = page.pin() {
                    if self.pinned.push_within_capacity(pinned).is_err() {
                        return ControlFlow::Break(());
                    }
                    self.counts.mappings += 1;
                }
            }
        }
        self.counts.valid += 1;
        ControlFlow::Continue(())
    }
}

/// Compares pages of the set.
struct Comparison<'a> {
    pages: &'a PinnedFrames,
    copy: &'a mut PageCopy,
    sampling: &'a Sampling,
    /// True once a page was read as a whole.
    has_read: bool,
}

impl PageAccess for Comparison<'_> {
    fn is_same(&mut self, a: Pfn, b: Pfn) -> bool {
        self.has_read = true;
        match (self.pages.frame(a), self.pages.frame(b)) {
            (Some(a), Some(b)) => a.is_same(b),
            _ => false,
        }
    }

    fn content_hash(&mut self, pfn: Pfn) -> u64 {
        self.has_read = true;
        if let Some(frame) = self.pages.frame(pfn) {
            frame.copy_to(self.copy);
        }
        self.sampling.page_hash(self.copy)
    }

    fn merge_into(&mut self, follower: Pfn, leader: Pfn) {
        self.pages.merge_into(follower, leader);
    }
}
