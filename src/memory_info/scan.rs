// SPDX-License-Identifier: GPL-2.0-only

//! RESET: scans all processes and classifies their read-only pages by content.
//!
//! The processes of one name are a set. Several workers share the sets by [work stealing]: a worker that
//! finds no set left takes chunks of address spaces from the others. They fill the tables of a set
//! without a lock.
//!
//! The workers are threads of a workqueue of the module's own, and the caller only waits for them, so it can be killed at
//! any moment. The administrator decides on which CPUs and at which priority they run
//! (`/sys/devices/virtual/workqueue/memory_info/{cpumask,nice}`; isolated CPUs are left out by the kernel). The
//! caller's own limits, affinity and priority do not bind them.
//!
//! [work stealing]: protocol::scan::work_stealing

use crate::cancel::ScanCancellation;
use crate::chunk::Workspace;
use crate::set_scan::{Chunk, ChunkCounts, SetScan};
use crate::set_tables::SetTables;
use crate::snapshot::{NamedGroups, Snapshot};
use abstractions::memory::GFP_KERNEL_NO_OOM;
use abstractions::sort::sort_by_key;
use abstractions_task::thread_group::{thread_groups, ListError, ThreadGroup};
use abstractions_workqueue::queue::WorkQueue;
use abstractions_workqueue::workers::{num_online_cpus, run_on_workers};
use core::mem::take;
use core::pin::Pin;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;
use protocol::rcu::RcuBox;
use protocol::scan::work_stealing::{Cut, Scheduler, Work};

/// The threads that scan.
pub(crate) struct ScanWorkers {
    queue: WorkQueue,
    /// The number of threads; 0 stands for one for each CPU that is online.
    threads: usize,
}

impl ScanWorkers {
    /// Describes so many `threads` of a workqueue; 0 stands for one for each CPU.
    pub(crate) fn new(queue: WorkQueue, threads: usize) -> Self {
        Self { queue, threads }
    }

    /// Returns the number of threads of the next scan: at most one for each CPU.
    fn threads(&self) -> usize {
        let cpus = num_online_cpus();
        match self.threads {
            0 => cpus,
            threads => threads.min(cpus),
        }
    }
}

/// Scans all processes, until `stop` returns true because the result is not needed any more. May sleep.
///
/// # Errors
///
/// Memory is exhausted, the caller has a fatal signal, or `stop` returned true.
pub(crate) fn scan(
    workers: &ScanWorkers,
    sampling: Sampling,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<RcuBox<Snapshot>, Failure> {
    let mut processes = thread_groups(GFP_KERNEL_NO_OOM).map_err(|error| match error {
        ListError::NoMemory => Failure::NoMemory,
        ListError::Interrupted => Failure::Interrupted,
    })?;
    // Processes that share an address space come one after the other.
    sort_by_key(&mut processes, |process| {
        (process.comm, process.mm_address(), process.tgid)
    });
    let mut sets = KVVec::new();
    for set in processes.chunk_by(|a, b| a.comm == b.comm) {
        sets.push(set, GFP_KERNEL_NO_OOM)?;
    }

    let cancellation = ScanCancellation::new(stop, GFP_KERNEL_NO_OOM)?;
    let scan = Scan::new(&sets, workers.threads(), &cancellation, &sampling)?;
    let threads = scan.owners.len();
    let scheduler = Scheduler::new(threads, GFP_KERNEL_NO_OOM)?;
    run_on_workers(
        &workers.queue,
        threads,
        GFP_KERNEL_NO_OOM,
        &|worker| {
            if let Some(owner) = scan.owners.get(worker) {
                scheduler.work(&scan, worker, &mut owner.workspace.lock());
            }
        },
        &|| cancellation.cancel(Failure::Interrupted),
    )?;
    cancellation.outcome()?;
    let snapshot = Snapshot::new(scan.found()?).map_err(|_| AllocError)?;
    Ok(RcuBox::new(snapshot, GFP_KERNEL_NO_OOM)?)
}

/// The scan as the work of a [`Scheduler`].
struct Scan<'a> {
    sets: &'a [&'a [ThreadGroup]],
    /// One for each worker.
    owners: KVVec<Owner<'a>>,
    cancellation: &'a ScanCancellation<'a>,
}

/// What a worker has, and what it has as the owner of sets.
struct Owner<'a> {
    workspace: Pin<KBox<Mutex<Workspace<'a>>>>,
    tables: Pin<KBox<SetTables>>,
    /// The groups of the sets that it has finished.
    found: Pin<KBox<Mutex<NamedGroups>>>,
}

impl<'a> Owner<'a> {
    fn new(cancellation: &'a ScanCancellation<'a>, sampling: &'a Sampling) -> Result<Self> {
        let workspace = Workspace::new(cancellation, sampling)?;
        let workspace = new_mutex!(workspace, "Owner::workspace");
        let found = new_mutex!(NamedGroups::new(), "Owner::found");
        Ok(Self {
            workspace: KBox::pin_init(workspace, GFP_KERNEL_NO_OOM)?,
            tables: KBox::pin_init(SetTables::new(), GFP_KERNEL_NO_OOM)?,
            found: KBox::pin_init(found, GFP_KERNEL_NO_OOM)?,
        })
    }
}

impl<'a> Scan<'a> {
    /// Creates a scan by so many `workers`, or fewer, but one at least, if memory is short.
    fn new(
        sets: &'a [&'a [ThreadGroup]],
        workers: usize,
        cancellation: &'a ScanCancellation<'a>,
        sampling: &'a Sampling,
    ) -> Result<Self, AllocError> {
        let mut owners = KVVec::with_capacity(workers, GFP_KERNEL_NO_OOM)?;
        for _ in 0..workers {
            match Owner::new(cancellation, sampling) {
                Ok(owner) => owners.push(owner, GFP_KERNEL_NO_OOM)?,
                Err(_) if owners.is_empty() => return Err(AllocError),
                Err(_) => break,
            }
        }
        Ok(Self {
            sets,
            owners,
            cancellation,
        })
    }

    /// Takes the groups of all sets.
    fn found(&self) -> Result<NamedGroups, AllocError> {
        let mut all = NamedGroups::new();
        for owner in &self.owners {
            for group in take(&mut *owner.found.lock()) {
                all.push(group, GFP_KERNEL_NO_OOM)?;
            }
        }
        Ok(all)
    }
}

impl<'a> Work for Scan<'a> {
    type Set = SetScan<'a>;
    type Chunk = Chunk<'a>;
    type Report = ChunkCounts;
    type Workspace = Workspace<'a>;
    type Error = Failure;

    fn begin(&self, number: usize) -> Result<Option<SetScan<'a>>, Failure> {
        let processes = self.sets.get(number).copied().unwrap_or_default();
        let Some(first) = processes.first() else {
            return Ok(None);
        };
        Ok(Some(SetScan::new(first.comm, processes)?))
    }

    fn next_chunk(&self, set: &mut SetScan<'a>) -> Result<Option<Chunk<'a>>, Failure> {
        Ok(set.next_chunk()?)
    }

    fn cut(&self, owner: usize, chunk: Chunk<'a>) -> Result<Cut<Chunk<'a>>, Failure> {
        match self.owners.get(owner) {
            Some(owner) => chunk.cut(&owner.tables, self.cancellation),
            None => Ok(Cut { chunk, rest: None }),
        }
    }

    fn give_back(&self, set: &mut SetScan<'a>, rest: Chunk<'a>) -> Result<(), Failure> {
        Ok(set.give_back(rest)?)
    }

    fn has_more(&self, set: &SetScan<'a>) -> bool {
        set.has_more()
    }

    fn run(
        &self,
        owner: usize,
        chunk: Chunk<'a>,
        workspace: &mut Workspace<'a>,
    ) -> Result<ChunkCounts, Failure> {
        match self.owners.get(owner) {
            Some(owner) => workspace.scan(&owner.tables, &chunk),
            None => Ok(ChunkCounts::default()),
        }
    }

    fn report(&self, set: &mut SetScan<'a>, counts: ChunkCounts) {
        set.add(&counts);
    }

    fn finish(&self, owner: usize, set: SetScan<'a>) -> Result<(), Failure> {
        if let Some(owner) = self.owners.get(owner) {
            let tally = owner.tables.finish();
            if let Some(group) = set.into_group(tally) {
                owner.found.lock().push(group, GFP_KERNEL_NO_OOM)?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        self.cancellation.check()
    }

    fn fail(&self, failure: Failure) {
        self.cancellation.cancel(failure);
    }
}
