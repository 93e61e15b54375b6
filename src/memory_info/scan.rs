// SPDX-License-Identifier: GPL-2.0

//! RESET: looks at all processes and classes their read-only pages by content.
//!
//! Set by set (processes of one name), process by process, in batches. A batch begins with the
//! `mmap_lock` held for reading: page-table entries are counted, and new read-only pages pinned, until
//! the batch is full or enough entries were looked at. Then, with no lock held, the pinned pages are
//! hashed and classed. So a scanned process is stalled for one batch's walk at most, never for the
//! reading of memory, and nothing is allocated under a lock.
//!
//! Pages stay pinned until their set is done: else a frame could be freed and come back as another
//! page of the same set.

use crate::snapshot::{Group, Snapshot};
use abstractions::mm::{has_readable_pages, is_read_only, MmapRead};
use abstractions::page::PinnedPage;
use abstractions::page_walk::{walk, MappedPage, Visitor};
use abstractions::random::get_random_u64;
use abstractions::sort::sort_by_key;
use abstractions::task::{cond_resched, fatal_signal_pending, thread_groups, ThreadGroup};
use core::ops::ControlFlow;
use kernel::mm::{Mm, MmWithUser};
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use logic::answer::Failure;
use logic::comm::Comm;
use logic::content_table::{ContentTable, Page};
use logic::counts::Counts;
use logic::index::{hash_number, Entry, Index};
use logic::page_hash::{page_hash, PageCopy, PAGE_SIZE};
use protocol::rcu::RcuBox;

/// Pages that are pinned before they are read.
const BATCH_PAGES: usize = 256;
/// Page-table entries that are looked at before the `mmap_lock` is let go: some 0.1 ms.
const BATCH_ENTRIES: usize = 4096;
/// What finding an area costs, in entries.
const ENTRIES_PER_VMA: usize = 32;

/// Scans all processes, until `stop` says that nobody wants the result any more. May sleep.
///
/// # Errors
///
/// No memory, a fatal signal, or `stop`.
pub(crate) fn scan(stop: &dyn Fn() -> bool) -> Result<RcuBox<Snapshot>, Failure> {
    let mut processes = thread_groups(GFP_KERNEL).map_err(|_| Failure::NoMemory)?;
    sort_by_key(&mut processes, |process| (process.comm, process.tgid));

    let mut found = KVVec::new();
    let mut scanner = Scanner::new(stop)?;
    for set in processes.chunk_by(|a, b| a.comm == b.comm) {
        if let Some((comm, group)) = scanner.scan_set(set)? {
            found
                .push((comm, group), GFP_KERNEL)
                .map_err(|_| Failure::NoMemory)?;
        }
    }
    drop(scanner);
    let snapshot = Snapshot::new(found).map_err(|_| Failure::NoMemory)?;
    RcuBox::new(snapshot, GFP_KERNEL).map_err(|_| Failure::NoMemory)
}

struct Scanner<'a> {
    stop: &'a dyn Fn() -> bool,
    /// Hashes cannot be foreseen by who fills the pages.
    seed: u64,
    table: ContentTable<PinnedPage>,
    batch: KVVec<PinnedPage>,
    copy: KBox<PageCopy>,
    seen: SeenMms,
}

impl<'a> Scanner<'a> {
    fn new(stop: &'a dyn Fn() -> bool) -> Result<Self, Failure> {
        let no_memory = |_| Failure::NoMemory;
        Ok(Self {
            stop,
            seed: get_random_u64(),
            table: ContentTable::new(),
            batch: KVVec::with_capacity(BATCH_PAGES, GFP_KERNEL).map_err(no_memory)?,
            copy: KBox::new([0; PAGE_SIZE], GFP_KERNEL).map_err(no_memory)?,
            seen: SeenMms::new(),
        })
    }

    /// `None` if no process of the set has an address space any more.
    fn scan_set(&mut self, set: &[ThreadGroup]) -> Result<Option<(Comm, Group)>, Failure> {
        let mut pids = KVVec::new();
        let mut counts = Counts::default();
        for process in set {
            self.give_up_if_asked()?;
            let Some(mm) = process.mm() else { continue };
            pids.push(process.tgid, GFP_KERNEL)
                .map_err(|_| Failure::NoMemory)?;
            // One address space that several processes share is counted once.
            if self.seen.insert(&mm).map_err(|_| Failure::NoMemory)? {
                self.scan_mm(&mm, &mut counts)?;
            }
            cond_resched();
        }
        counts.may_be_shared = self.table.may_be_shared();
        counts.nb_group = self.table.nb_group();
        self.table.clear();
        self.seen.clear();
        let comm = set.first().map(|process| process.comm);
        Ok(comm
            .filter(|_| !pids.is_empty())
            .map(|comm| (comm, Group { counts, pids })))
    }

    fn scan_mm(&mut self, mm: &MmWithUser, counts: &mut Counts) -> Result<(), Failure> {
        let mut next = Some(0);
        while let Some(at) = next {
            self.give_up_if_asked()?;
            self.table
                .reserve(BATCH_PAGES, GFP_KERNEL)
                .map_err(|_| Failure::NoMemory)?;
            let guard = MmapRead::lock_killable(mm).map_err(|_| Failure::Interrupted)?;
            next = self.collect(&guard, at, counts);
            drop(guard);
            self.class_batch()?;
            cond_resched();
        }
        Ok(())
    }

    /// Counts pages from `at` on and pins the new ones, for one batch. Returns where to go on, if
    /// anywhere.
    fn collect(
        &mut self,
        guard: &MmapRead<'_>,
        mut at: usize,
        counts: &mut Counts,
    ) -> Option<usize> {
        let mut entries = 0;
        while entries < BATCH_ENTRIES {
            let vma = guard.find_vma(at)?;
            let start = vma.start().max(at);
            let mut collector = Collector {
                shareable: is_read_only(vma) && has_readable_pages(vma),
                counts,
                table: &mut self.table,
                batch: &mut self.batch,
            };
            let budget = BATCH_ENTRIES - entries;
            let progress = walk(guard, vma, start, vma.end(), budget, &mut collector);
            counts.total += ((progress.reached - start) / PAGE_SIZE) as u64;
            at = progress.reached;
            if at < vma.end() {
                break;
            }
            entries += progress.entries + ENTRIES_PER_VMA;
        }
        Some(at)
    }

    /// Hashes the pinned pages and enters them. No lock is held.
    fn class_batch(&mut self) -> Result<(), Failure> {
        for page in self.batch.drain_all() {
            // Mapped twice within the batch.
            if self.table.map_again(page.pfn()) {
                continue;
            }
            page.copy_to(&mut self.copy);
            let hash = page_hash(&self.copy, self.seed);
            self.table
                .insert(page, hash, |other| other.is_same(&self.copy))
                .map_err(|_| Failure::NoMemory)?;
        }
        Ok(())
    }

    fn give_up_if_asked(&self) -> Result<(), Failure> {
        if fatal_signal_pending() {
            return Err(Failure::Interrupted);
        }
        if (self.stop)() {
            return Err(Failure::Closing);
        }
        Ok(())
    }
}

/// Counts present pages of one area, and pins those whose content is to be looked at.
struct Collector<'a> {
    shareable: bool,
    counts: &'a mut Counts,
    table: &'a mut ContentTable<PinnedPage>,
    batch: &'a mut KVVec<PinnedPage>,
}

impl Visitor for Collector<'_> {
    fn visit(&mut self, page: MappedPage<'_>) -> ControlFlow<()> {
        if self.shareable && !self.table.map_again(page.pfn()) {
            if self.batch.len() == BATCH_PAGES {
                return ControlFlow::Break(());
            }
            if let Some(pinned) = page.pin() {
                if self.batch.push_within_capacity(pinned).is_err() {
                    return ControlFlow::Break(());
                }
            }
        }
        self.counts.valid += 1;
        ControlFlow::Continue(())
    }
}

/// The address spaces of one set that were scanned already. Referenced, so that none is freed and
/// its address used for another one.
struct SeenMms {
    mms: KVVec<ARef<Mm>>,
    by_address: Index,
}

impl SeenMms {
    const fn new() -> Self {
        Self {
            mms: KVVec::new(),
            by_address: Index::new(),
        }
    }

    /// False if it was there already.
    fn insert(&mut self, mm: &MmWithUser) -> Result<bool> {
        let hash = |mm: &Mm| hash_number(mm.as_raw() as usize);
        let mms = &self.mms;
        let mm_at = |number: u32| mms.get(number as usize);
        self.by_address.reserve(1, GFP_KERNEL, |number| {
            mm_at(number).map_or(0, |mm| hash(mm))
        })?;
        let is_mm = |number| mm_at(number).is_some_and(|seen| seen.as_raw() == mm.as_raw());
        match self.by_address.find(hash(mm), is_mm) {
            Some(Entry::Vacant(place)) => {
                let number = self.mms.len() as u32;
                self.mms.push(ARef::from(&**mm), GFP_KERNEL)?;
                self.by_address.fill(place, number);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn clear(&mut self) {
        self.mms.clear();
        self.by_address.clear();
    }
}
