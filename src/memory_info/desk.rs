// SPDX-License-Identifier: GPL-2.0-only

//! One set of processes while it is scanned, by the worker who took it and by those who help.
//!
//! The owner opens the desk with a set. It and its helpers claim chunks of address spaces, scan them
//! into the set's tables, and hand in what they counted. When nothing is left to claim and all have
//! handed in, the owner closes the desk.
//!
//! Lock order: the desk's state, then the tables, then `mmap_lock`.

use crate::seen_mms::SeenMms;
use crate::snapshot::Group;
use abstractions::mm::{is_read_only, resident_pages, MmapRead};
use abstractions::page_walk::{walk, Enter, MappedPage, Visitor};
use abstractions::pinned_pages::PinnedPages;
use abstractions::rwsem::{ReadGuard, RwSemaphore};
use abstractions::task::ThreadGroup;
use core::mem::take;
use core::ops::ControlFlow;
use kernel::mm::MmWithUser;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};
use logic::comm::Comm;
use logic::content_table::ContentTable;
use logic_memory_info::counts::Counts;
use logic_memory_info::failure::Failure;

/// Last-level tables in a chunk: 32 MiB of memory that is there.
const CHUNK_TABLES: usize = 16;
/// Pages below which an address space is one chunk.
const CHUNK_PAGES: usize = CHUNK_TABLES * PTES_PER_TABLE;
/// Pages that a last-level table maps.
const PTES_PER_TABLE: usize = 512;
/// Entries above the last level that are looked at for the end of a chunk: some 0.1 ms.
const CHUNK_ENTRIES: usize = 16384;

/// A part of an address space, for one worker to scan.
pub(crate) struct Chunk {
    pub(crate) mm: ARef<MmWithUser>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What was counted in a chunk.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) total: u64,
    pub(crate) valid: u64,
    /// Mappings of pages that may be shared, those seen before included.
    pub(crate) mappings: u64,
}

/// The pages of the set, and their classes.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) pages: PinnedPages,
    pub(crate) contents: ContentTable,
}

impl Tables {
    fn room(&self) -> usize {
        self.pages.room().min(self.contents.room())
    }

    fn reserve(&mut self, pages: usize) -> Result<(), Failure> {
        let pinned = self.pages.reserve(pages, GFP_KERNEL);
        let contents = self.contents.reserve(pages, GFP_KERNEL);
        pinned.and(contents).map_err(|_| Failure::NoMemory)
    }

    /// Makes room for the first large address space of the set, so that nobody has to wait while the
    /// tables grow little by little. Frames come in runs of their words' eight, more or less.
    fn expect(&mut self, pages: usize) -> Result<(), Failure> {
        let pinned = self.pages.reserve(pages / 4, GFP_KERNEL);
        // A fourth more than that: the fuller the table, the longer the probe sequences.
        let contents = self.contents.reserve(pages + pages / 4, GFP_KERNEL);
        pinned.and(contents).map_err(|_| Failure::NoMemory)
    }

    fn grow(&mut self) -> Result<(), Failure> {
        let pinned = self.pages.grow(GFP_KERNEL);
        let contents = self.contents.grow(GFP_KERNEL);
        pinned.and(contents).map_err(|_| Failure::NoMemory)
    }
}

#[derive(Default)]
struct State<'a> {
    /// Processes that nobody has begun with.
    processes: &'a [ThreadGroup],
    /// The address space that is handed out in several chunks, and where the next begins.
    current: Option<(ARef<MmWithUser>, usize)>,
    /// Read-only pages of the first such address space, at most; `None` before.
    expected: Option<usize>,
    /// Chunks that are being scanned.
    claimed: usize,
    comm: Option<Comm>,
    pids: KVVec<u32>,
    seen: SeenMms,
    scanned: Scanned,
    found: KVVec<(Comm, Group)>,
}

/// See the head of the file.
#[pin_data]
pub(crate) struct Desk<'a> {
    #[pin]
    state: Mutex<State<'a>>,
    #[pin]
    all_handed_in: CondVar,
    #[pin]
    tables: RwSemaphore<Tables>,
}

impl<'a> Desk<'a> {
    /// A desk with nothing on it.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_mutex!(State::default(), "Desk::state"),
            all_handed_in <- new_condvar!("Desk::all_handed_in"),
            tables <- RwSemaphore::new(Tables::default()),
        })
    }

    /// Puts a set on the desk, which is closed. For its owner. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn open(&self, set: &'a [ThreadGroup]) -> Result<(), Failure> {
        let pids = KVVec::with_capacity(set.len(), GFP_KERNEL).map_err(|_| Failure::NoMemory)?;
        let mut state = self.state.lock();
        state.comm = set.first().map(|process| process.comm);
        state.expected = None;
        state.pids = pids;
        state.processes = set;
        Ok(())
    }

    /// Takes the next chunk, which must be handed in. `None` if there is nothing left. May sleep.
    ///
    /// # Errors
    ///
    /// No memory, or a fatal signal.
    pub(crate) fn claim(&self) -> Result<Option<Chunk>, Failure> {
        let mut state = self.state.lock();
        let was_expected = state.expected.is_some();
        let chunk = state.next_chunk()?;
        if let Some(pages) = state.expected.filter(|_| !was_expected) {
            self.tables.write().expect(pages)?;
        }
        state.claimed += usize::from(chunk.is_some());
        Ok(chunk)
    }

    /// True if there may be chunks left to claim.
    pub(crate) fn has_more(&self) -> bool {
        let state = self.state.lock();
        state.current.is_some() || !state.processes.is_empty()
    }

    /// Adds what was counted in a chunk.
    pub(crate) fn hand_in(&self, scanned: Scanned) {
        let mut state = self.state.lock();
        state.scanned.total += scanned.total;
        state.scanned.valid += scanned.valid;
        state.scanned.mappings += scanned.mappings;
        state.claimed -= 1;
        if state.claimed == 0 {
            self.all_handed_in.notify_all();
        }
    }

    /// Waits for the helpers, notes what was found, and clears the desk, on so many `workers`. For its
    /// owner. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn close(&self, workers: usize) -> Result<(), Failure> {
        let mut state = self.state.lock();
        state.processes = &[];
        state.current = None;
        while state.claimed > 0 {
            self.all_handed_in.wait(&mut state);
        }
        state.seen.clear();
        let scanned = take(&mut state.scanned);
        let pids = take(&mut state.pids);
        let mut tables = self.tables.write();
        let tally = tables.pages.tally();
        tables.pages.clear(workers);
        tables.contents.clear();
        let counts = Counts {
            total: scanned.total,
            valid: scanned.valid,
            may_be_shared: scanned.mappings.saturating_sub(tally.lone),
            nb_group: tally.classes.saturating_sub(tally.lone),
        };
        match state.comm {
            // No process of the set has an address space any more.
            Some(comm) if !pids.is_empty() => state
                .found
                .push((comm, Group { counts, pids }), GFP_KERNEL)
                .map_err(|_| Failure::NoMemory),
            _ => Ok(()),
        }
    }

    /// All sets that were scanned on this desk.
    pub(crate) fn take_found(&self) -> KVVec<(Comm, Group)> {
        take(&mut self.state.lock().found)
    }

    /// The set's tables, with room for so many pages, as far as others do not take it. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn tables(&self, pages: usize) -> Result<ReadGuard<'_, Tables>, Failure> {
        loop {
            let tables = self.tables.read();
            if tables.room() >= pages {
                return Ok(tables);
            }
            drop(tables);
            self.tables.write().reserve(pages)?;
        }
    }

    /// Makes the set's tables larger, whatever room they seem to have. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn grow_tables(&self) -> Result<(), Failure> {
        self.tables.write().grow()
    }
}

impl State<'_> {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, Failure> {
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
            let Some(mm) = process.mm() else { continue };
            self.pids
                .push(process.tgid, GFP_KERNEL)
                .map_err(|_| Failure::NoMemory)?;
            // One address space that several processes share is counted once.
            if !self.seen.insert(&mm).map_err(|_| Failure::NoMemory)? {
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
            if self.expected.is_none() {
                let guard = MmapRead::lock_killable(&mm)?;
                self.expected = Some(read_only_pages(&guard).min(resident));
            }
            self.current = Some((mm, 0));
        }
    }
}

/// How many read-only pages there are at most, by a short look at the upper tables: of an address space of
/// many gigabytes, it ends early.
fn read_only_pages(guard: &MmapRead<'_>) -> usize {
    let mut at = 0;
    let mut entries = 0;
    let mut tables = TableBudget(usize::MAX);
    while let Some(vma) = guard.find_vma(at).filter(|_| entries < CHUNK_ENTRIES) {
        at = vma.end();
        entries += 1;
        if is_read_only(vma) {
            let budget = CHUNK_ENTRIES - entries + 1;
            entries += walk(guard, vma, vma.start(), at, budget, &mut tables).entries;
        }
    }
    (usize::MAX - tables.0).saturating_mul(PTES_PER_TABLE)
}

/// Where a chunk that begins at `start` ends: behind so many tables, or where addresses do.
fn chunk_end(guard: &MmapRead<'_>, start: usize) -> usize {
    let mut at = start;
    let mut entries = 0;
    let mut tables = TableBudget(CHUNK_TABLES);
    while let Some(vma) = guard.find_vma(at) {
        let from = vma.start().max(at);
        let budget = CHUNK_ENTRIES - entries;
        let progress = walk(guard, vma, from, vma.end(), budget, &mut tables);
        at = progress.reached;
        entries += progress.entries + 1;
        if at < vma.end() || entries >= CHUNK_ENTRIES {
            return at;
        }
    }
    usize::MAX
}

/// Counts last-level tables, and looks into none.
struct TableBudget(usize);

impl Visitor for TableBudget {
    fn visit(&mut self, _page: MappedPage<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn enter(&mut self) -> Enter {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Enter::Skip
            }
            None => Enter::Stop,
        }
    }
}
