// SPDX-License-Identifier: GPL-2.0-only

//! Work stealing: several workers share sets of work, chunk by chunk.
//!
//! A worker *begins* the next set of the input and becomes its owner. It puts the set into its queue
//! and runs the set's chunks, one after the other. A worker that finds no further set to begin *steals*
//! chunks from the queues of the others. So many small sets are worked on side by side, and one large
//! set keeps all workers busy. When no chunk of a set is left, its owner waits for the thieves to
//! report theirs and *finishes* the set.
//!
//! The workers share little: an atomic counter for each set, and a queue's lock twice for each chunk.
//!
//! # Idle workers
//!
//! A thief that finds all queues empty sleeps until an owner shares a set that has more than one chunk,
//! or until the last owner has finished. To miss neither, it notes the number of shared sets *before*
//! it looks at the queues, and sleeps only if that number is unchanged under the lock that owners take
//! to change it.
//!
//! # Guarantees
//!
//! - Each chunk is run once, and its result is reported to its set, also if it fails.
//! - A set is finished by its owner, once, after all its chunks have reported.
//! - Each worker returns: when no set is left that is not finished, or after a failure.
//!
//! # Lock order
//!
//! A queue's lock, then the locks that [`Work::next_chunk`] takes. The lock of the idle workers is taken
//! without any other.

use core::pin::Pin;
use kernel::alloc::{AllocError, Flags, KBox, KVVec};
use kernel::init::InPlaceInit;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};

/// The work that a [`Scheduler`] shares out. All of its functions may sleep.
pub trait Work: Sync {
    /// A set of work that has begun. In its owner's queue, behind the queue's lock.
    type Set: Send + Unpin;
    /// A part of a set, for one worker to run.
    type Chunk;
    /// The result of a chunk.
    type Report;
    /// A worker's own memory.
    type Workspace;
    /// Why the work failed.
    type Error: Copy;

    /// Begins the set with this number, counted from 0. Returns `None` if there are fewer.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn begin(&self, number: usize) -> Result<Option<Self::Set>, Self::Error>;

    /// Takes the next chunk out of `owner`'s set. Returns `None` if none is left, and from then on.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn next_chunk(
        &self,
        owner: usize,
        set: &mut Self::Set,
    ) -> Result<Option<Self::Chunk>, Self::Error>;

    /// True if the set may have another chunk.
    fn has_more(&self, set: &Self::Set) -> bool;

    /// Runs a chunk of `owner`'s set on `worker`, with no lock of the scheduler held.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn run(
        &self,
        worker: usize,
        owner: usize,
        chunk: Self::Chunk,
        workspace: &mut Self::Workspace,
    ) -> Result<Self::Report, Self::Error>;

    /// Adds the result of a chunk to its set.
    fn report(&self, set: &mut Self::Set, report: Self::Report);

    /// Finishes `owner`'s set, whose chunks have all reported, unless the work has failed.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn finish(&self, owner: usize, set: Self::Set) -> Result<(), Self::Error>;

    /// Tells `worker` whether the work goes on.
    ///
    /// # Errors
    ///
    /// Returns why it does not: no further set is begun and no further chunk is run.
    fn check(&self, worker: usize) -> Result<(), Self::Error>;

    /// Has [`Self::check`] fail from now on.
    fn fail(&self, error: Self::Error);
}

/// A work-stealing scheduler for one run of a [`Work`]: a queue for the set of each worker, and the idle
/// workers. The head of this file says how it works and what it guarantees.
///
/// Each worker calls [`Self::work`] once, with its own number. The call returns when the worker has
/// nothing left to do, so the work is complete when all calls have returned.
pub struct Scheduler<S> {
    next_set: Atomic<usize>,
    /// One for each worker.
    queues: KVVec<Queue<S>>,
    idle: Pin<KBox<Mutex<IdleWorkers>>>,
    work_available: Pin<KBox<CondVar>>,
}

/// What workers that look for chunks must know before they sleep.
struct IdleWorkers {
    /// Workers that may still begin a set.
    owners_left: usize,
    /// Sets from which others may steal, counted from the beginning.
    shared_sets: u64,
}

/// The set of one owner.
struct Queue<S> {
    state: Pin<KBox<Mutex<QueueState<S>>>>,
    all_reported: Pin<KBox<CondVar>>,
}

struct QueueState<S> {
    set: Option<S>,
    /// Chunks that were claimed and have not reported.
    claimed: usize,
}

/// A chunk, and whether its set may have another one.
struct Claimed<C> {
    chunk: C,
    has_more: bool,
}

impl<S: Send + Unpin> Queue<S> {
    fn new(flags: Flags) -> Result<Self, AllocError> {
        let state = QueueState {
            set: None,
            claimed: 0,
        };
        Ok(Self {
            state: KBox::pin_init(new_mutex!(state, "Queue::state"), flags)
                .map_err(|_| AllocError)?,
            all_reported: KBox::pin_init(new_condvar!("Queue::all_reported"), flags)
                .map_err(|_| AllocError)?,
        })
    }

    /// Claims a chunk, which must report.
    fn claim<W: Work<Set = S>>(
        &self,
        work: &W,
        owner: usize,
    ) -> Result<Option<Claimed<W::Chunk>>, W::Error> {
        let mut state = self.state.lock();
        let QueueState { set, claimed } = &mut *state;
        let Some(set) = set else { return Ok(None) };
        let Some(chunk) = work.next_chunk(owner, set)? else {
            return Ok(None);
        };
        *claimed += 1;
        let has_more = work.has_more(set);
        Ok(Some(Claimed { chunk, has_more }))
    }

    /// Reports a chunk that was claimed; without a report if it has failed.
    fn report<W: Work<Set = S>>(&self, work: &W, report: Option<W::Report>) {
        let mut state = self.state.lock();
        let QueueState { set, claimed } = &mut *state;
        if let (Some(set), Some(report)) = (set, report) {
            work.report(set, report);
        }
        *claimed -= 1;
        if *claimed == 0 {
            // mutant: all-reported
            self.all_reported.notify_all();
        }
    }

    /// Takes the set out, once all chunks that were claimed have reported.
    fn take(&self) -> Option<S> {
        let mut state = self.state.lock();
        // mutant: wait-for-reports
        while state.claimed > 0 {
            self.all_reported.wait(&mut state);
        }
        state.set.take()
    }
}

impl<S: Send + Unpin> Scheduler<S> {
    /// Creates a scheduler for this many workers. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(workers: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut queues = KVVec::with_capacity(workers, flags)?;
        for _ in 0..workers {
            queues.push(Queue::new(flags)?, flags)?;
        }
        let idle = IdleWorkers {
            owners_left: 0,
            shared_sets: 0,
        };
        Ok(Self {
            next_set: Atomic::new(0),
            queues,
            idle: KBox::pin_init(new_mutex!(idle, "Scheduler::idle"), flags)
                .map_err(|_| AllocError)?,
            work_available: KBox::pin_init(new_condvar!("Scheduler::work_available"), flags)
                .map_err(|_| AllocError)?,
        })
    }

    /// Works as the worker with this number, until no work is left or the work has failed. Each number
    /// below that of the workers is used at most once. May sleep.
    ///
    /// Some of the workers may come late, or not at all: those that are there do all the work.
    pub fn work<W: Work<Set = S>>(&self, work: &W, worker: usize, workspace: &mut W::Workspace) {
        let Some(queue) = self.queues.get(worker) else {
            return;
        };
        self.idle.lock().owners_left += 1;
        self.run_own_sets(work, worker, queue, workspace);
        self.idle.lock().owners_left -= 1;
        // mutant: wake-without-owners
        self.work_available.notify_all();
        self.steal_chunks(work, worker, workspace);
    }

    fn run_own_sets<W: Work<Set = S>>(
        &self,
        work: &W,
        worker: usize,
        queue: &Queue<S>,
        workspace: &mut W::Workspace,
    ) {
        while work.check(worker).is_ok() {
            // mutant: next-set
            let number = self.next_set.fetch_add(1, Relaxed);
            match work.begin(number) {
                Ok(Some(set)) => queue.state.lock().set = Some(set),
                Ok(None) => return,
                Err(error) => {
                    work.fail(error);
                    return;
                }
            }
            let mut is_shared = false;
            self.run_chunks(work, worker, worker, workspace, |has_more| {
                if has_more && !is_shared {
                    is_shared = true;
                    self.share_set();
                }
            });
            if let Some(Err(error)) = queue.take().map(|set| work.finish(worker, set)) {
                work.fail(error);
            }
        }
    }

    /// Tells the idle workers that they may steal from one more set.
    fn share_set(&self) {
        // mutant: count-shared-set
        self.idle.lock().shared_sets += 1;
        // mutant: wake-thieves
        self.work_available.notify_all();
    }

    /// Runs chunks of other workers' sets until there will be none any more.
    fn steal_chunks<W: Work<Set = S>>(
        &self,
        work: &W,
        worker: usize,
        workspace: &mut W::Workspace,
    ) {
        loop {
            // mutant: count-before-look
            let shared_sets = self.idle.lock().shared_sets;
            // mutant: look-at-queues
            for owner in 0..self.queues.len() {
                self.run_chunks(work, worker, owner, workspace, |_| {});
            }
            let mut idle = self.idle.lock();
            if idle.shared_sets == shared_sets {
                // mutant: owners-left
                if idle.owners_left == 0 {
                    return;
                }
                self.work_available.wait(&mut idle);
            }
        }
    }

    /// Runs what is left of `owner`'s set, chunk by chunk. Calls `claimed` after each claim, with
    /// whether there may be more.
    fn run_chunks<W: Work<Set = S>>(
        &self,
        work: &W,
        worker: usize,
        owner: usize,
        workspace: &mut W::Workspace,
        mut claimed: impl FnMut(bool),
    ) {
        let Some(queue) = self.queues.get(owner) else {
            return;
        };
        while work.check(worker).is_ok() {
            match queue.claim(work, owner) {
                Ok(None) => return,
                Ok(Some(Claimed { chunk, has_more })) => {
                    claimed(has_more);
                    let report = work.run(worker, owner, chunk, workspace);
                    // mutant: report-failed-chunk
                    let report = report.inspect_err(|error| work.fail(*error)).ok();
                    queue.report(work, report);
                }
                Err(error) => work.fail(error),
            }
        }
    }
}
