// SPDX-License-Identifier: GPL-2.0-only

//! RESET: scans all processes and classifies their read-only pages by content.
//!
//! The processes of one name are a set. Several workers share the sets by [work stealing]: a worker that
//! finds no set left takes chunks of address spaces from the others. They fill the tables of a set
//! without a lock.
//!
//! [work stealing]: protocol::scan::work_stealing

use crate::cancel::{ScanCancellation, CALLER};
use crate::chunk::Workspace;
use crate::set_scan::{Chunk, ChunkCounts, SetScan};
use crate::set_tables::SetTables;
use crate::snapshot::{NamedGroups, Snapshot};
use abstractions::sort::sort_by_key;
use abstractions_task::thread_group::{thread_groups, ListError, ThreadGroup};
use abstractions_workqueue::workers::{num_online_cpus, run_on_workers, WorkClass};
use core::mem::take;
use core::pin::Pin;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;
use protocol::rcu::RcuBox;
use protocol::scan::work_stealing::{Scheduler, Work};

/// Scans all processes, until `stop` returns true because the result is not needed any more. Up to
/// `workers` CPUs scan, the caller's among them; 0 stands for all CPUs. May sleep.
///
/// # Errors
///
/// Memory is exhausted, the caller has a fatal signal, or `stop` returned true.
pub(crate) fn scan(
    workers: usize,
    sampling: Sampling,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<RcuBox<Snapshot>, Failure> {
    let mut processes = thread_groups(GFP_KERNEL).map_err(|error| match error {
        ListError::NoMemory => Failure::NoMemory,
        ListError::Interrupted => Failure::Interrupted,
    })?;
    sort_by_key(&mut processes, |process| (process.comm, process.tgid));
    let mut sets = KVVec::new();
    for set in processes.chunk_by(|a, b| a.comm == b.comm) {
        sets.push(set, GFP_KERNEL)?;
    }

    let workers = match workers {
        0 => num_online_cpus(),
        workers => workers,
    };
    let cancellation = ScanCancellation::new(stop, GFP_KERNEL)?;
    let scan = Scan::new(&sets, workers, &cancellation)?;
    let scheduler = Scheduler::new(workers, GFP_KERNEL)?;
    run_on_workers(workers, WorkClass::TopLevel, GFP_KERNEL, &|worker| {
        match Workspace::new(worker, &cancellation, &sampling) {
            Ok(mut workspace) => scheduler.work(&scan, worker, &mut workspace),
            // The other workers can do without a helper, but not without the caller.
            Err(error) if worker == CALLER => cancellation.cancel(error.into()),
            Err(_) => {}
        }
    });
    cancellation.outcome()?;
    let snapshot = Snapshot::new(scan.found()?).map_err(|_| AllocError)?;
    Ok(RcuBox::new(snapshot, GFP_KERNEL)?)
}

/// The scan as the work of a [`Scheduler`].
struct Scan<'a> {
    sets: &'a [&'a [ThreadGroup]],
    /// One for each worker.
    owners: KVVec<Owner>,
    cancellation: &'a ScanCancellation<'a>,
}

/// What a worker has as the owner of sets.
struct Owner {
    tables: Pin<KBox<SetTables>>,
    /// The groups of the sets that it has finished.
    found: Pin<KBox<Mutex<NamedGroups>>>,
}

impl Owner {
    fn new() -> Result<Self> {
        let found = new_mutex!(NamedGroups::new(), "Owner::found");
        Ok(Self {
            tables: KBox::pin_init(SetTables::new(), GFP_KERNEL)?,
            found: KBox::pin_init(found, GFP_KERNEL)?,
        })
    }
}

impl<'a> Scan<'a> {
    fn new(
        sets: &'a [&'a [ThreadGroup]],
        workers: usize,
        cancellation: &'a ScanCancellation<'a>,
    ) -> Result<Self, AllocError> {
        let mut owners = KVVec::with_capacity(workers, GFP_KERNEL)?;
        for _ in 0..workers {
            owners.push(Owner::new().map_err(|_| AllocError)?, GFP_KERNEL)?;
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
                all.push(group, GFP_KERNEL)?;
            }
        }
        Ok(all)
    }
}

impl<'a> Work for Scan<'a> {
    type Set = SetScan<'a>;
    type Chunk = Chunk;
    type Report = ChunkCounts;
    type Workspace = Workspace<'a>;
    type Error = Failure;

    fn begin(&self, number: usize) -> Result<Option<SetScan<'a>>, Failure> {
        let Some([first, ..]) = self.sets.get(number) else {
            return Ok(None);
        };
        let processes = self.sets.get(number).copied().unwrap_or_default();
        Ok(Some(SetScan::new(first.comm, processes)?))
    }

    fn next_chunk(&self, owner: usize, set: &mut SetScan<'a>) -> Result<Option<Chunk>, Failure> {
        match self.owners.get(owner) {
            Some(owner) => set.next_chunk(&owner.tables),
            None => Ok(None),
        }
    }

    fn has_more(&self, set: &SetScan<'a>) -> bool {
        set.has_more()
    }

    fn run(
        &self,
        _worker: usize,
        owner: usize,
        chunk: Chunk,
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
        let workers = self.owners.len();
        if let Some(owner) = self.owners.get(owner) {
            let tally = owner.tables.finish(workers);
            if let Some(group) = set.into_group(tally) {
                owner.found.lock().push(group, GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    fn check(&self, worker: usize) -> Result<(), Failure> {
        self.cancellation.check(worker)
    }

    fn fail(&self, failure: Failure) {
        self.cancellation.cancel(failure);
    }
}
