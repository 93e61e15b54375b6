// SPDX-License-Identifier: GPL-2.0-only

//! RESET: looks at all processes and classes their read-only pages by content.
//!
//! Several workers share the sets (processes of one name). Each takes the next set to its [`Desk`] and
//! works on it chunk by chunk; who finds no set left takes chunks from the others' desks. So many
//! small sets run side by side, and one big set keeps all workers busy. What they share is touched
//! seldom: one counter for each set, one lock for each chunk of some thousand pages; the tables of a
//! set are filled without a lock.

use crate::chunk::Workspace;
use crate::desk::{Desk, Scanned};
use crate::snapshot::{Group, Snapshot};
use abstractions::sort::sort_by_key;
use abstractions::task::{fatal_signal_pending, thread_groups, ThreadGroup};
use abstractions::workers::{num_online_cpus, run_together, Level};
use core::pin::Pin;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};
use logic::comm::Comm;
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;
use protocol::rcu::RcuBox;

/// Scans all processes, until `stop` says that nobody wants the result any more. `workers` may work at
/// it, the caller among them; 0 is one for each CPU. May sleep.
///
/// # Errors
///
/// No memory, a fatal signal, or `stop`.
pub(crate) fn scan(
    workers: usize,
    sampling: Sampling,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<RcuBox<Snapshot>, Failure> {
    let no_memory = |_| Failure::NoMemory;
    let mut processes = thread_groups(GFP_KERNEL).map_err(|_| Failure::NoMemory)?;
    sort_by_key(&mut processes, |process| (process.comm, process.tgid));
    let mut sets = KVVec::new();
    for set in processes.chunk_by(|a, b| a.comm == b.comm) {
        sets.push(set, GFP_KERNEL).map_err(no_memory)?;
    }

    let workers = match workers {
        0 => num_online_cpus(),
        workers => workers,
    };
    let scan = Scan::new(&sets, workers, sampling, stop)?;
    run_together(workers, Level::Outer, GFP_KERNEL, &|number| {
        scan.work(number)
    });
    let found = scan.into_found()?;
    let snapshot = Snapshot::new(found).map_err(|_| Failure::NoMemory)?;
    RcuBox::new(snapshot, GFP_KERNEL).map_err(no_memory)
}

/// What the workers share.
pub(crate) struct Scan<'a> {
    sets: &'a [&'a [ThreadGroup]],
    next_set: Atomic<usize>,
    desks: KVVec<Pin<KBox<Desk<'a>>>>,
    hall: Pin<KBox<Mutex<Hall>>>,
    hall_changed: Pin<KBox<CondVar>>,
    failure: Pin<KBox<Mutex<Option<Failure>>>>,
    given_up: Atomic<bool>,
    stop: &'a (dyn Fn() -> bool + Sync),
    pub(crate) sampling: Sampling,
}

/// Where workers wait for others to need help.
struct Hall {
    /// Workers that may still put a set on their desk.
    taking_sets: usize,
    /// Sets that were put up for help so far.
    put_up: u64,
}

impl<'a> Scan<'a> {
    fn new(
        sets: &'a [&'a [ThreadGroup]],
        workers: usize,
        sampling: Sampling,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, Failure> {
        let no_memory = |_| Failure::NoMemory;
        let mut desks = KVVec::with_capacity(workers, GFP_KERNEL).map_err(|_| Failure::NoMemory)?;
        for _ in 0..workers {
            let desk = KBox::pin_init(Desk::new(), GFP_KERNEL).map_err(no_memory)?;
            desks
                .push(desk, GFP_KERNEL)
                .map_err(|_| Failure::NoMemory)?;
        }
        let hall = Hall {
            taking_sets: 0,
            put_up: 0,
        };
        Ok(Self {
            sets,
            next_set: Atomic::new(0),
            desks,
            hall: KBox::pin_init(new_mutex!(hall, "Scan::hall"), GFP_KERNEL).map_err(no_memory)?,
            hall_changed: KBox::pin_init(new_condvar!("Scan::hall_changed"), GFP_KERNEL)
                .map_err(no_memory)?,
            failure: KBox::pin_init(new_mutex!(None, "Scan::failure"), GFP_KERNEL)
                .map_err(no_memory)?,
            given_up: Atomic::new(false),
            stop,
            sampling,
        })
    }

    /// What one worker does. Worker 0 is the caller of RESET.
    fn work(&self, number: usize) {
        let Some(desk) = self.desks.get(number) else {
            return;
        };
        match Workspace::new() {
            Ok(mut workspace) => {
                self.hall.lock().taking_sets += 1;
                self.take_sets(number, desk, &mut workspace);
                self.hall.lock().taking_sets -= 1;
                self.hall_changed.notify_all();
                self.help(number, &mut workspace);
            }
            // The others can do without a helper, but not without the caller.
            Err(failure) if number == 0 => self.fail(failure),
            Err(_) => {}
        }
    }

    fn take_sets(&self, number: usize, desk: &Desk<'a>, workspace: &mut Workspace) {
        while self.check(number).is_ok() {
            let next = self.next_set.fetch_add(1, Relaxed);
            let Some(set) = self.sets.get(next) else {
                return;
            };
            let scanned = self.scan_set(number, set, desk, workspace);
            if let Err(failure) = scanned {
                self.fail(failure);
            }
        }
    }

    fn scan_set(
        &self,
        number: usize,
        set: &'a [ThreadGroup],
        desk: &Desk<'a>,
        workspace: &mut Workspace,
    ) -> Result<(), Failure> {
        desk.open(set)?;
        let mut put_up = false;
        self.work_at(number, desk, workspace, || {
            if !put_up && desk.has_more() {
                put_up = true;
                self.hall.lock().put_up += 1;
                self.hall_changed.notify_all();
            }
        });
        desk.close(self.desks.len())
    }

    /// Takes chunks from other desks until there will be none any more.
    fn help(&self, number: usize, workspace: &mut Workspace) {
        loop {
            let put_up = self.hall.lock().put_up;
            for desk in &self.desks {
                self.work_at(number, desk, workspace, || {});
            }
            let mut hall = self.hall.lock();
            if hall.put_up == put_up {
                if hall.taking_sets == 0 {
                    return;
                }
                self.hall_changed.wait(&mut hall);
            }
        }
    }

    /// Scans what is left on a desk, chunk by chunk. `claimed` is called with each.
    fn work_at(
        &self,
        number: usize,
        desk: &Desk<'a>,
        workspace: &mut Workspace,
        mut claimed: impl FnMut(),
    ) {
        while self.check(number).is_ok() {
            match desk.claim() {
                Ok(None) => return,
                Ok(Some(chunk)) => {
                    claimed();
                    let scanned = workspace.scan(self, number, desk, &chunk);
                    desk.hand_in(scanned.unwrap_or_else(|failure| {
                        self.fail(failure);
                        Scanned::default()
                    }));
                }
                Err(failure) => self.fail(failure),
            }
        }
    }

    fn fail(&self, failure: Failure) {
        self.failure.lock().get_or_insert(failure);
        self.given_up.store(true, Relaxed);
    }

    /// Whether to go on. To be asked now and then.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn check(&self, number: usize) -> Result<(), Failure> {
        if number == 0 && fatal_signal_pending() {
            self.fail(Failure::Interrupted);
        }
        if (self.stop)() {
            self.fail(Failure::Closing);
        }
        if self.given_up.load(Relaxed) {
            return Err(self.failure.lock().unwrap_or(Failure::Closing));
        }
        Ok(())
    }

    fn into_found(self) -> Result<KVVec<(Comm, Group)>, Failure> {
        if let Some(failure) = *self.failure.lock() {
            return Err(failure);
        }
        let mut found = KVVec::new();
        for desk in &self.desks {
            for set in desk.take_found() {
                found.push(set, GFP_KERNEL).map_err(|_| Failure::NoMemory)?;
            }
        }
        Ok(found)
    }
}
