// SPDX-License-Identifier: GPL-2.0-only

//! Scanning a chunk of an address space, in batches.
//!
//! A batch begins with a walk: area by area, each of which is locked for reading by itself, the worker counts
//! page-table entries and samples the pages that are new to the set, until the batch is full or enough entries were
//! read. Then, with no lock of the process held, it classifies them, and reads as a whole those that have the sample of
//! another page. So a scanned process is stalled for a part of the walk of one batch at most.
//!
//! A batch leaves nothing behind: no page is referenced at any time, and the address space is in use during the walk
//! only. A frame is known again by its number. As long as a process does not change, the frames that it maps are not
//! freed, so what was recorded of them during the scan is true of them, whoever was met with them first.

use crate::batch::{Batch, Candidate, Found, BATCH_PAGES};
use crate::cancel::ScanCancellation;
use crate::hold_time::look_at_next_area;
use crate::reader::{PageReader, Source};
use crate::set_scan::{Chunk, ChunkCounts};
use crate::set_tables::{SetTables, Tables};
use abstractions_mm::area::Area;
use abstractions_mm::area_lock::Looked;
use abstractions_pages::page_walk::walk;
use abstractions_task::current::cond_resched;
use abstractions_task::thread_group::ThreadGroup;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::sync::rcu;
use logic::units::{Pfn, PAGE_SIZE};
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;
use protocol::scan::content_table::{Filling, PageAccess, Unclassified};
use protocol::scan::frame_set::{Cursor, Inserted};
use protocol::scan::record_table::{PageRecord, Place};
use protocol::scan::word_table::TableFull;

/// Page-table entries that are read before a lock is released: about 0.1 ms.
const BATCH_ENTRIES: usize = 4096;
/// The cost of finding an area, in entries.
const ENTRIES_PER_VMA: usize = 32;
/// How far ahead of classification the table's memory is fetched, in pages.
const PREFETCHED_HASHES: usize = 16;
/// How often a page that is being moved is looked at again before it counts as not present.
const MOVING_LOOKS: usize = 500;

/// A worker's own memory.
pub(crate) struct Workspace<'a> {
    cancellation: &'a ScanCancellation<'a>,
    sampling: &'a Sampling,
    found: Found,
    /// The number of candidates that were classified.
    classified: usize,
    /// A page that is in the set but not in a class yet.
    unclassified: Option<Unclassified>,
    filling: Filling,
    reader: PageReader,
}

/// Where a batch ended.
enum Walked {
    /// The next one begins here.
    To(usize),
    /// At a page that is being moved, or at an area that is being changed: to be looked at again in a moment.
    Waits(usize),
    /// The chunk is done, or the process is gone.
    Done,
}

impl<'a> Workspace<'a> {
    /// Allocates the memory of one worker. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn new(
        cancellation: &'a ScanCancellation<'a>,
        sampling: &'a Sampling,
    ) -> Result<Self, AllocError> {
        Ok(Self {
            cancellation,
            sampling,
            found: Found::new()?,
            classified: 0,
            unclassified: None,
            filling: Filling::default(),
            reader: PageReader::new()?,
        })
    }

    /// Scans a chunk into the tables of its set. May sleep.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the scan was cancelled.
    pub(crate) fn scan(
        &mut self,
        set: &SetTables,
        chunk: &Chunk<'_>,
    ) -> Result<ChunkCounts, Failure> {
        let mut counts = ChunkCounts::default();
        // They are of another set's tables and pages.
        self.filling = Filling::default();
        self.unclassified = None;
        self.reader.forget();
        let mut at = chunk.start;
        let mut looks = 0;
        loop {
            self.cancellation.check()?;
            let tables = set.read_with_room(BATCH_PAGES)?;
            let skips_moving = looks >= MOVING_LOOKS;
            let walked = self.walk(&tables, chunk, at, skips_moving, &mut counts);
            drop(tables);
            self.look_again_at_moved(set, chunk, &mut counts)?;
            self.classify_all(set, chunk)?;
            match walked {
                Walked::To(next) => {
                    at = next;
                    looks = 0;
                    cond_resched();
                }
                Walked::Waits(next) => {
                    looks = if next == at { looks + 1 } else { 0 };
                    at = next;
                    self.cancellation.pause()?;
                }
                Walked::Done => return Ok(counts),
            }
        }
    }

    /// Walks one batch from `at` on.
    fn walk(
        &mut self,
        tables: &Tables,
        chunk: &Chunk<'_>,
        mut at: usize,
        skips_moving: bool,
        counts: &mut ChunkCounts,
    ) -> Walked {
        self.found.candidates.clear();
        self.found.moved.clear();
        self.classified = 0;
        let Some(mm) = chunk.process().and_then(ThreadGroup::use_mm) else {
            return Walked::Done;
        };
        let mut entries = 0;
        while entries < BATCH_ENTRIES {
            let looked = look_at_next_area(&mm, at, |area| {
                let from = area.start().max(at);
                let to = area.end().min(chunk.end);
                if from >= to {
                    return Walked::Done;
                }
                let guard = rcu::read_lock();
                let mut batch = Batch::new(
                    &tables.frames,
                    self.sampling,
                    &mut self.found,
                    counts,
                    is_shareable(&area),
                );
                batch.skips_moving = skips_moving;
                let progress = walk(area, &guard, from..to, BATCH_ENTRIES - entries, &mut batch);
                batch.flush();
                let met_moving = batch.met_moving;
                counts.total += ((progress.reached - from) / PAGE_SIZE) as u64;
                at = progress.reached;
                entries += progress.entries + ENTRIES_PER_VMA;
                if met_moving {
                    return Walked::Waits(at);
                }
                if at < to {
                    // The batch is full.
                    entries = BATCH_ENTRIES;
                }
                Walked::To(at)
            });
            match looked {
                Looked::Seen(Walked::To(next)) if next < chunk.end => {}
                Looked::Seen(Walked::To(_)) | Looked::NoArea => return Walked::Done,
                Looked::Seen(walked) => return walked,
                Looked::Busy => return Walked::Waits(at),
            }
        }
        Walked::To(at)
    }

    /// Looks again at the pages that were moved while they were sampled, until they stay or are gone.
    fn look_again_at_moved(
        &mut self,
        set: &SetTables,
        chunk: &Chunk<'_>,
        counts: &mut ChunkCounts,
    ) -> Result<(), Failure> {
        for _ in 0..BATCH_PAGES + MOVING_LOOKS {
            let Some(address) = self.found.moved.pop() else {
                break;
            };
            let tables = set.read_with_room(BATCH_PAGES)?;
            let Some(mm) = chunk.process().and_then(ThreadGroup::use_mm) else {
                return Ok(());
            };
            // The page itself was counted before.
            let mut counted = ChunkCounts::default();
            let looked = look_at_next_area(&mm, address, |area| {
                let guard = rcu::read_lock();
                let mut batch = Batch::new(
                    &tables.frames,
                    self.sampling,
                    &mut self.found,
                    &mut counted,
                    is_shareable(&area),
                );
                let page = address..address + PAGE_SIZE;
                walk(area, &guard, page, usize::MAX, &mut batch);
                batch.flush();
                batch.met_moving
            });
            counts.mappings += counted.mappings;
            drop(mm);
            drop(tables);
            if matches!(looked, Looked::Seen(true) | Looked::Busy) {
                // The place that it was taken from.
                let _ = self.found.moved.push_within_capacity(address);
                self.cancellation.pause()?;
            }
        }
        Ok(())
    }

    /// Classifies the pages of the batch that are new to the set.
    fn classify_all(&mut self, set: &SetTables, chunk: &Chunk<'_>) -> Result<(), Failure> {
        while self.unclassified.is_some() || self.classified < self.found.candidates.len() {
            let tables = set.read_with_room(BATCH_PAGES)?;
            if self.classify(&tables, chunk).is_err() {
                drop(tables);
                set.grow()?;
            }
        }
        Ok(())
    }

    /// Classifies pages until none is left or a table is full.
    ///
    /// # Errors
    ///
    /// Returns [`TableFull`]; the caller grows the tables and calls this again for the remaining pages.
    fn classify(&mut self, tables: &Tables, chunk: &Chunk<'_>) -> Result<(), TableFull> {
        let mut frames_added = 0;
        let result = self.classify_into(tables, chunk, &mut frames_added);
        tables.frames.add_to_len(frames_added);
        tables.contents.count(&mut self.filling);
        result
    }

    fn classify_into(
        &mut self,
        tables: &Tables,
        chunk: &Chunk<'_>,
        frames_added: &mut usize,
    ) -> Result<(), TableFull> {
        let mut cursor = Cursor::default();
        let mut access = SetAccess {
            tables,
            source: Source {
                processes: chunk.processes,
                sampling: self.sampling,
                cancellation: self.cancellation,
            },
            reader: &mut self.reader,
        };
        loop {
            if let Some(page) = &mut self.unclassified {
                tables
                    .contents
                    .classify(page, &mut access, &mut self.filling)?;
                self.unclassified = None;
            }
            let candidates = &self.found.candidates;
            if let Some(ahead) = candidates.get(self.classified + PREFETCHED_HASHES) {
                tables.contents.prefetch(ahead.sample_hash);
            }
            let Some(candidate) = candidates.get(self.classified) else {
                return Ok(());
            };
            let inserted = tables.frames.insert(candidate.pfn, &mut cursor)?;
            self.classified += 1;
            if let Inserted::New { took_new_word } = inserted {
                *frames_added += usize::from(took_new_word);
                let record = record_of(candidate, chunk);
                // If one page with this sample has to be read, then most likely the others, too.
                let next = candidates.get(self.classified..).unwrap_or_default();
                let alike = next
                    .iter()
                    .take_while(|next| next.sample_hash == candidate.sample_hash)
                    .map(|next| record_of(next, chunk));
                access.reader.begin(record, alike);
                self.unclassified = Some(Unclassified::new(record, candidate.sample_hash));
            }
        }
    }
}

fn is_shareable(area: &Area<'_>) -> bool {
    area.is_read_only() && area.has_readable_pages()
}

fn record_of(candidate: &Candidate, chunk: &Chunk<'_>) -> PageRecord {
    PageRecord {
        place: Place {
            space: chunk.number,
            page: candidate.address / PAGE_SIZE,
        },
        pfn: candidate.pfn,
        owner: candidate.owner,
    }
}

/// The pages of the set.
struct SetAccess<'a> {
    tables: &'a Tables,
    source: Source<'a>,
    reader: &'a mut PageReader,
}

impl PageAccess for SetAccess<'_> {
    fn is_same(
        &mut self,
        page: &PageRecord,
        leader: &PageRecord,
        sample_hash: u64,
    ) -> Option<bool> {
        self.reader.is_same(&self.source, page, leader, sample_hash)
    }

    fn content_hash(&mut self, page: &PageRecord, sample_hash: u64) -> Option<u64> {
        self.reader.hash(&self.source, page, sample_hash)
    }

    fn merge_into(&mut self, follower: Pfn, leader: Pfn) {
        // A frame that was freed and used again stands for two pages.
        if follower != leader {
            self.tables.frames.clear_leader(follower);
        }
        self.tables
            .frames
            .mark_shared(leader, &mut Cursor::default());
    }
}
