// SPDX-License-Identifier: GPL-2.0-only

//! The progress of one set of processes: what is left to be handed out, and what was counted.
//!
//! Lock order: the queue's lock, under which all of this is called, then the tables, then `mmap_lock`.

use crate::seen_mms::SeenMms;
use crate::set_tables::SetTables;
use crate::snapshot::Group;
use abstractions_mm::accounting::resident_pages;
use abstractions_mm::mmap_lock::MmapRead;
use abstractions_pages::mapped_page::MappedPage;
use abstractions_pages::page_walk::{walk, Descend, Visitor};
use abstractions_task::thread_group::ThreadGroup;
use core::ops::ControlFlow;
use kernel::alloc::AllocError;
use kernel::mm::MmWithUser;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use logic::comm::Comm;
use logic_memory_info::counts::Counts;
use logic_memory_info::failure::Failure;
use protocol::scan::frame_set::Tally;

/// Last-level tables in a chunk: 32 MiB of present memory.
const CHUNK_TABLES: usize = 16;
/// Number of pages below which an address space is one chunk.
const CHUNK_PAGES: usize = CHUNK_TABLES * PTES_PER_TABLE;
/// Pages that a last-level table maps.
const PTES_PER_TABLE: usize = 512;
/// Entries above the last level that are read to find the end of a chunk: about 0.1 ms.
const CHUNK_ENTRIES: usize = 16384;

/// A part of an address space, for one worker to scan.
pub(crate) struct Chunk {
    pub(crate) mm: ARef<MmWithUser>,
    /// The first address.
    pub(crate) start: usize,
    /// The address behind the last one.
    pub(crate) end: usize,
}

/// What was counted in one or more chunks, in pages.
#[derive(Default)]
pub(crate) struct ChunkCounts {
    pub(crate) total: u64,
    pub(crate) valid: u64,
    /// Mappings of pages that may be shared, including mappings of a page that was met before.
    pub(crate) mappings: u64,
}

/// A set that has begun.
pub(crate) struct SetScan<'a> {
    comm: Comm,
    /// Processes that no chunk was taken from.
    processes: &'a [ThreadGroup],
    /// The address space that is handed out in several chunks, and the start of the next one.
    current: Option<(ARef<MmWithUser>, usize)>,
    /// Room was reserved for a large address space.
    has_reserved: bool,
    /// Processes that have an address space.
    pids: KVVec<u32>,
    seen: SeenMms,
    counts: ChunkCounts,
}

impl<'a> SetScan<'a> {
    /// Begins a set of processes of one name. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn new(comm: Comm, processes: &'a [ThreadGroup]) -> Result<Self, AllocError> {
        Ok(Self {
            comm,
            processes,
            current: None,
            has_reserved: false,
            pids: KVVec::with_capacity(processes.len(), GFP_KERNEL)?,
            seen: SeenMms::new(),
            counts: ChunkCounts::default(),
        })
    }

    /// Returns true if there may be another chunk.
    pub(crate) fn has_more(&self) -> bool {
        self.current.is_some() || !self.processes.is_empty()
    }

    /// Takes the next chunk, and reserves room in the tables before the first of a large address space.
    /// Returns `None` if none is left. May sleep.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or a fatal signal is pending.
    pub(crate) fn next_chunk(&mut self, tables: &SetTables) -> Result<Option<Chunk>, Failure> {
        loop {
            if let Some((mm, start)) = self.current.take() {
                let guard = MmapRead::lock_killable(&mm)?;
                let end = chunk_end(&guard, start);
                drop(guard);
                if end < usize::MAX {
                    self.current = Some((mm.clone(), end));
                }
                return Ok(Some(Chunk { mm, start, end }));
            }
            let Some((process, rest)) = self.processes.split_first() else {
                return Ok(None);
            };
            self.processes = rest;
            let Some(mm) = process.mm.mmget_not_zero() else {
                continue;
            };
            self.pids.push(process.tgid, GFP_KERNEL)?;
            // An address space that several processes share is counted once.
            if !self.seen.insert(&mm)? {
                continue;
            }
            let resident = resident_pages(&mm);
            if resident <= CHUNK_PAGES {
                return Ok(Some(Chunk {
                    mm,
                    start: 0,
                    end: usize::MAX,
                }));
            }
            if !self.has_reserved {
                self.has_reserved = true;
                let guard = MmapRead::lock_killable(&mm)?;
                let pages = read_only_pages(&guard).min(resident);
                drop(guard);
                tables.reserve_for_first_mm(pages)?;
            }
            self.current = Some((mm, 0));
        }
    }

    /// Adds what was counted in a chunk.
    pub(crate) fn add(&mut self, counts: &ChunkCounts) {
        self.counts.total += counts.total;
        self.counts.valid += counts.valid;
        self.counts.mappings += counts.mappings;
    }

    /// Returns the set's name and group, or `None` if no process of the set has an address space any
    /// more.
    pub(crate) fn into_group(self, tally: Tally) -> Option<(Comm, Group)> {
        let counts = Counts {
            total: self.counts.total,
            valid: self.counts.valid,
            may_be_shared: self.counts.mappings.saturating_sub(tally.singletons),
            nb_group: tally.classes.saturating_sub(tally.singletons),
        };
        let pids = self.pids;
        (!pids.is_empty()).then_some((self.comm, Group { counts, pids }))
    }
}

/// Returns an upper bound of the read-only pages, by a short look at the upper tables, which ends early
/// in an address space of many gigabytes.
fn read_only_pages(guard: &MmapRead<'_>) -> usize {
    let mut at = 0;
    let mut entries = 0;
    let mut tables = TableBudget(usize::MAX);
    while let Some(area) = guard.find_area(at).filter(|_| entries < CHUNK_ENTRIES) {
        at = area.end();
        entries += 1;
        if area.is_read_only() {
            let budget = CHUNK_ENTRIES - entries + 1;
            entries += walk(area, area.start()..at, budget, &mut tables).entries;
        }
    }
    (usize::MAX - tables.0).saturating_mul(PTES_PER_TABLE)
}

/// Returns the end of the chunk that begins at `start`: the address behind its tables, or `usize::MAX`
/// if nothing follows.
fn chunk_end(guard: &MmapRead<'_>, start: usize) -> usize {
    let mut at = start;
    let mut entries = 0;
    let mut tables = TableBudget(CHUNK_TABLES);
    while let Some(area) = guard.find_area(at) {
        let from = area.start().max(at);
        let budget = CHUNK_ENTRIES - entries;
        let progress = walk(area, from..area.end(), budget, &mut tables);
        at = progress.reached;
        entries += progress.entries + 1;
        if at < area.end() || entries >= CHUNK_ENTRIES {
            return at;
        }
    }
    usize::MAX
}

/// Counts last-level tables down and skips them; stops at 0.
struct TableBudget(usize);

impl Visitor for TableBudget {
    fn visit(&mut self, _page: MappedPage<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn descend(&mut self) -> Descend {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Descend::Over
            }
            None => Descend::Stop,
        }
    }
}
