// SPDX-License-Identifier: GPL-2.0-only

//! One worker's way through a chunk of an address space, in batches.
//!
//! A batch begins with the `mmap_lock` held for reading: page-table entries are counted, and new
//! read-only pages pinned, until the batch is full or enough entries were looked at. Then, with the
//! `mmap_lock` let go, the pinned pages are sampled and classed. So a scanned process is stalled for
//! one batch's walk at most, never for the reading of memory, and nothing is allocated under a lock.
//!
//! Pages stay pinned until their set is done: else a frame could be freed and come back as another
//! page of the same set.

use crate::desk::{Chunk, Desk, Scanned, Tables};
use crate::scan::Scan;
use abstractions::mm::{has_readable_pages, is_read_only, MmapRead};
use abstractions::page::PinnedPage;
use abstractions::page_walk::{walk, MappedPage, Visitor};
use abstractions::pinned_pages::{Kept, Near, PinnedPages};
use abstractions::task::cond_resched;
use core::ops::ControlFlow;
use kernel::prelude::*;
use logic::content_table::Pages;
use logic::units::{PageCopy, Pfn, PAGE_SIZE};
use logic::word_table::NoRoom;
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;

/// Pages that are pinned before they are read.
const BATCH_PAGES: usize = 512;
/// Pages whose samples are fetched from memory at the same time.
const PREFETCHED_PAGES: usize = 32;
/// Page-table entries that are looked at before the `mmap_lock` is let go: some 0.1 ms.
const BATCH_ENTRIES: usize = 4096;
/// What finding an area costs, in entries.
const ENTRIES_PER_VMA: usize = 32;

/// What a worker needs for itself.
pub(crate) struct Workspace {
    pinned: KVVec<PinnedPage>,
    /// The hashes of their samples.
    hashes: KVVec<u64>,
    /// A page that is in the set but not in a class yet, and the hash of its sample.
    unclassed: Option<(Pfn, u64)>,
    copy: KBox<PageCopy>,
}

impl Workspace {
    /// Allocates it. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn new() -> Result<Self, Failure> {
        let no_memory = |_| Failure::NoMemory;
        Ok(Self {
            pinned: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL).map_err(no_memory)?,
            hashes: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL).map_err(no_memory)?,
            unclassed: None,
            copy: KBox::new([0; PAGE_SIZE], GFP_KERNEL).map_err(no_memory)?,
        })
    }

    /// Scans a chunk into the tables on `desk`. May sleep.
    ///
    /// # Errors
    ///
    /// No memory, a fatal signal, or that the scan was given up.
    pub(crate) fn scan(
        &mut self,
        scan: &Scan<'_>,
        number: usize,
        desk: &Desk<'_>,
        chunk: &Chunk,
    ) -> Result<Scanned, Failure> {
        let mut scanned = Scanned::default();
        let mut next = Some(chunk.start);
        while let Some(at) = next {
            scan.check(number)?;
            let mut tables = desk.tables(BATCH_PAGES)?;
            let guard = MmapRead::lock_killable(&chunk.mm)?;
            let mut batch = Batch {
                pages: &tables.pages,
                near: Near::default(),
                pinned: &mut self.pinned,
                scanned: &mut scanned,
                shareable: false,
            };
            next = batch.collect(&guard, at, chunk.end);
            drop(guard);
            self.sample(&tables, &scan.sampling);
            while self.class(&tables, &scan.sampling).is_err() {
                drop(tables);
                desk.grow_tables()?;
                tables = desk.tables(BATCH_PAGES)?;
            }
            drop(tables);
            cond_resched();
        }
        Ok(scanned)
    }

    /// Samples the pinned pages. Apart from their classing, whose atomic operations would have each
    /// fetch from memory wait for the one before.
    fn sample(&mut self, tables: &Tables, sampling: &Sampling) {
        self.hashes.clear();
        for pages in self.pinned.chunks(PREFETCHED_PAGES) {
            for page in pages {
                page.frame().prefetch_sample(sampling);
            }
            for page in pages {
                let hash = sampling.sample_hash(&page.frame().sample(sampling));
                tables.contents.touch(hash);
                // As large as the batch.
                let _ = self.hashes.push_within_capacity(hash);
            }
        }
        // They are taken from the end: in the order in which memory is read fastest.
        self.pinned.reverse();
        self.hashes.reverse();
    }

    /// Classes those of the sampled pages that are new. Once there is room, it can be called again for
    /// the rest.
    fn class(&mut self, tables: &Tables, sampling: &Sampling) -> Result<(), NoRoom> {
        let mut comparison = Comparison {
            pages: &tables.pages,
            copy: &mut self.copy,
            sampling,
            has_read: false,
        };
        let mut near = Near::default();
        let mut filled = Filled::default();
        let mut result = Ok(());
        while result.is_ok() {
            if let Some((pfn, hash)) = self.unclassed {
                result = tables
                    .contents
                    .class(pfn, hash, &mut comparison, &mut filled.contents);
                if result.is_ok() {
                    self.unclassed = None;
                }
                continue;
            }
            let Some((page, hash)) = self.pinned.pop().zip(self.hashes.pop()) else {
                break;
            };
            if comparison.has_read {
                comparison.has_read = false;
                // The next one is likely to be read, too.
                if let Some(next) = self.pinned.last() {
                    next.frame().prefetch_start();
                }
            }
            match tables.pages.insert(page, &mut near, &mut filled.pages) {
                Kept::Known => {}
                Kept::New(frame) => self.unclassed = Some((frame.pfn(), hash)),
                Kept::NoRoom(page) => {
                    let _ = self.pinned.push_within_capacity(page);
                    let _ = self.hashes.push_within_capacity(hash);
                    result = Err(NoRoom);
                }
            }
        }
        tables.pages.count_filled(filled.pages);
        tables.contents.count_filled(filled.contents);
        result
    }
}

/// Places in the tables that were filled.
#[derive(Default)]
struct Filled {
    pages: usize,
    contents: usize,
}

/// Counts present pages, and pins those whose content is to be looked at.
struct Batch<'a> {
    pages: &'a PinnedPages,
    near: Near<'a>,
    pinned: &'a mut KVVec<PinnedPage>,
    scanned: &'a mut Scanned,
    /// Whether content counts in the area at hand.
    shareable: bool,
}

impl Batch<'_> {
    /// Walks from `at` on. Returns where to go on, if anywhere before `end`.
    fn collect(&mut self, guard: &MmapRead<'_>, mut at: usize, end: usize) -> Option<usize> {
        let mut entries = 0;
        while entries < BATCH_ENTRIES {
            let vma = guard.find_vma(at)?;
            let from = vma.start().max(at);
            let to = vma.end().min(end);
            if from >= to {
                return None;
            }
            self.shareable = is_read_only(vma) && has_readable_pages(vma);
            let progress = walk(guard, vma, from, to, BATCH_ENTRIES - entries, self);
            self.scanned.total += ((progress.reached - from) / PAGE_SIZE) as u64;
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
            if self.pages.see_again(page.pfn(), &mut self.near) {
                self.scanned.mappings += 1;
            } else {
                if self.pinned.len() == BATCH_PAGES {
                    return ControlFlow::Break(());
                }
                if let Some(pinned) = page.pin() {
                    if self.pinned.push_within_capacity(pinned).is_err() {
                        return ControlFlow::Break(());
                    }
                    self.scanned.mappings += 1;
                }
            }
        }
        self.scanned.valid += 1;
        ControlFlow::Continue(())
    }
}

/// Compares pages of the set.
struct Comparison<'a> {
    pages: &'a PinnedPages,
    copy: &'a mut PageCopy,
    sampling: &'a Sampling,
    /// A page was read as a whole.
    has_read: bool,
}

impl Pages for Comparison<'_> {
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

    fn join(&mut self, follower: Pfn, leader: Pfn) {
        self.pages.join(follower, leader);
    }
}
