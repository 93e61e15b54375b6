// SPDX-License-Identifier: GPL-2.0-only

//! The progress of one set of processes: what is left to be handed out, and what was counted.
//!
//! A chunk is handed out under the queue's lock, where nothing waits. Its worker then cuts off what is too much, and
//! gives the rest back.

use crate::cancel::ScanCancellation;
use crate::hold_time::look_at_next_area;
use crate::set_tables::SetTables;
use crate::snapshot::Group;
use abstractions::memory::GFP_KERNEL_NO_OOM;
use abstractions::sort::sort_by_key;
use abstractions_mm::accounting::resident_pages;
use abstractions_mm::area_lock::Looked;
use abstractions_pages::mapped_page::MappedPage;
use abstractions_pages::page_walk::{walk, Descend, Visitor};
use abstractions_task::thread_group::ThreadGroup;
use core::ops::ControlFlow;
use kernel::alloc::AllocError;
use kernel::mm::MmWithUser;
use kernel::prelude::*;
use kernel::sync::rcu;
use logic::comm::Comm;
use logic_memory_info::counts::Counts;
use logic_memory_info::failure::Failure;
use protocol::scan::frame_set::Tally;
use protocol::scan::work_stealing::Cut;

/// Last-level tables in a chunk: 32 MiB of present memory.
const CHUNK_TABLES: usize = 16;
/// Number of pages below which an address space is one chunk.
const CHUNK_PAGES: usize = CHUNK_TABLES * PTES_PER_TABLE;
/// Pages that a last-level table maps.
const PTES_PER_TABLE: usize = 512;
/// Entries above the last level that are read to find the end of a chunk: about 0.1 ms.
const CHUNK_ENTRIES: usize = 16384;

/// A part of an address space, for one worker to scan.
pub(crate) struct Chunk<'a> {
    /// The processes of the set.
    pub(crate) processes: &'a [ThreadGroup],
    /// The number of the process among them.
    pub(crate) number: usize,
    /// The first address.
    pub(crate) start: usize,
    /// The address behind the last one.
    pub(crate) end: usize,
}

impl<'a> Chunk<'a> {
    /// Returns the process.
    pub(crate) fn process(&self) -> Option<&'a ThreadGroup> {
        self.processes.get(self.number)
    }

    fn whole(self) -> Cut<Self> {
        Cut {
            chunk: self,
            rest: None,
        }
    }

    /// Cuts the chunk, if it is large. Returns what is left of it and the rest. Reserves room in the tables before
    /// the first part of a large address space. Waits, without holding anything, while the address space is being
    /// changed. May sleep.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the scan was cancelled.
    pub(crate) fn cut(
        self,
        tables: &SetTables,
        cancellation: &ScanCancellation<'_>,
    ) -> Result<Cut<Self>, Failure> {
        let mut has_reserved = self.start > 0;
        loop {
            let Some(mm) = self.process().and_then(ThreadGroup::use_mm) else {
                return Ok(self.whole());
            };
            if !has_reserved {
                has_reserved = true;
                let resident = resident_pages(&mm);
                if resident <= CHUNK_PAGES {
                    return Ok(self.whole());
                }
                let pages = read_only_pages(&mm).min(resident);
                drop(mm);
                tables.reserve_for_first_mm(pages)?;
                continue;
            }
            if let Some(end) = chunk_end(&mm, self.start) {
                if end >= self.end {
                    return Ok(self.whole());
                }
                return Ok(Cut {
                    rest: Some(Self { start: end, ..self }),
                    chunk: Self { end, ..self },
                });
            }
            drop(mm);
            cancellation.pause()?;
        }
    }
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
    /// The processes, those with the same address space one after the other.
    processes: &'a [ThreadGroup],
    /// The number of the next process that no chunk was taken from.
    next: usize,
    /// Chunks that were cut off and given back.
    rests: KVec<Chunk<'a>>,
    /// Processes that have an address space.
    pids: KVVec<u32>,
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
            next: 0,
            rests: KVec::new(),
            pids: KVVec::with_capacity(processes.len(), GFP_KERNEL_NO_OOM)?,
            counts: ChunkCounts::default(),
        })
    }

    /// Returns true if there may be another chunk.
    pub(crate) fn has_more(&self) -> bool {
        !self.rests.is_empty() || self.next < self.processes.len()
    }

    /// Takes the next chunk: what was given back, or else a whole address space. Returns `None` if none is left. Does
    /// not wait for any lock.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk<'a>>, AllocError> {
        if let Some(rest) = self.rests.pop() {
            return Ok(Some(rest));
        }
        let mut before = self
            .next
            .checked_sub(1)
            .and_then(|at| self.processes.get(at));
        while let Some(process) = self.processes.get(self.next) {
            let number = self.next;
            self.next += 1;
            let is_counted = before.is_some_and(|before| before.has_mm_of(process));
            before = Some(process);
            if process.use_mm().is_none() {
                continue;
            }
            self.pids.push(process.tgid, GFP_KERNEL_NO_OOM)?;
            // An address space that several processes share is counted once.
            if !is_counted {
                return Ok(Some(Chunk {
                    processes: self.processes,
                    number,
                    start: 0,
                    end: usize::MAX,
                }));
            }
        }
        Ok(None)
    }

    /// Takes back what was cut off a chunk.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn give_back(&mut self, rest: Chunk<'a>) -> Result<(), AllocError> {
        self.rests.push(rest, GFP_KERNEL_NO_OOM)
    }

    /// Adds what was counted in a chunk.
    pub(crate) fn add(&mut self, counts: &ChunkCounts) {
        self.counts.total += counts.total;
        self.counts.valid += counts.valid;
        self.counts.mappings += counts.mappings;
    }

    /// Returns the set's name and group, or `None` if no process of the set has an address space any
    /// more. May sleep.
    pub(crate) fn into_group(self, tally: Tally) -> Option<(Comm, Group)> {
        let counts = Counts {
            total: self.counts.total,
            valid: self.counts.valid,
            may_be_shared: self.counts.mappings.saturating_sub(tally.singletons),
            nb_group: tally.classes.saturating_sub(tally.singletons),
        };
        let mut pids = self.pids;
        sort_by_key(&mut pids, |pid| *pid);
        (!pids.is_empty()).then_some((self.comm, Group { counts, pids }))
    }
}

/// Returns about how many read-only pages there are, by a short look at the upper tables, which ends early in an address
/// space of many gigabytes, or when an area is being changed.
fn read_only_pages(mm: &MmWithUser) -> usize {
    let mut at = 0;
    let mut entries = 0;
    let mut tables = TableBudget(usize::MAX);
    while entries < CHUNK_ENTRIES {
        let looked = look_at_next_area(mm, at, |area| {
            let mut read = 1;
            if area.is_read_only() {
                let guard = rcu::read_lock();
                let range = area.start()..area.end();
                read += walk(area, &guard, range, CHUNK_ENTRIES - entries, &mut tables).entries;
            }
            (area.end(), read)
        });
        let Looked::Seen((end, read)) = looked else {
            break;
        };
        at = end;
        entries += read;
    }
    (usize::MAX - tables.0).saturating_mul(PTES_PER_TABLE)
}

/// Returns the end of the chunk that begins at `start`: the address behind its tables, or `usize::MAX`
/// if nothing follows. Returns `None` if an area is being changed.
fn chunk_end(mm: &MmWithUser, start: usize) -> Option<usize> {
    let mut at = start;
    let mut entries = 0;
    let mut tables = TableBudget(CHUNK_TABLES);
    loop {
        let looked = look_at_next_area(mm, at, |area| {
            let guard = rcu::read_lock();
            let range = area.start().max(at)..area.end();
            let progress = walk(area, &guard, range, CHUNK_ENTRIES - entries, &mut tables);
            (progress, area.end())
        });
        let (progress, end) = match looked {
            Looked::Seen(seen) => seen,
            Looked::NoArea => return Some(usize::MAX),
            Looked::Busy => return None,
        };
        at = progress.reached;
        entries += progress.entries + 1;
        if at < end || entries >= CHUNK_ENTRIES {
            return Some(at);
        }
    }
}

/// Counts last-level tables down and skips them; stops at 0.
struct TableBudget(usize);

impl<'w> Visitor<'w> for TableBudget {
    fn visit(&mut self, _page: MappedPage<'w>) -> ControlFlow<()> {
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
