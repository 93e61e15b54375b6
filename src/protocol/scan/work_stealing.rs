// SPDX-License-Identifier: GPL-2.0-only

//! Work stealing: several workers share sets of work, chunk by chunk.
//!
//! A worker *begins* the next set of the input and becomes its owner. It puts the set into its queue
//! and runs the set's chunks, one after the other. A worker that finds no further set to begin *steals*
//! chunks from the queues of the others. So many small sets are worked on side by side, and one large
//! set keeps all workers busy. When no chunk of a set is left, its owner waits for the thieves to
//! report theirs and *finishes* the set.
//!
//! A chunk is handed out under the queue's lock, where nothing waits for others. To find out how large it should be may
//! take waiting, so its worker cuts it without the lock, and gives the rest back for other workers.
//!
//! The workers share little: an atomic counter for each set, and a queue's lock two or three times for each chunk.
//!
//! # Idle workers
//!
//! A thief that finds all queues empty sleeps until an owner shares a set that has more than one chunk,
//! or a worker gives a part of one back, or until the last owner has finished. To miss nothing, it notes the number of
//! such offers *before* it looks at the queues, and sleeps only if that number is unchanged under the lock that is taken
//! to change it.
//!
//! The waits are interruptible, so that a worker which waits long is no hung task. A workqueue's threads get no
//! signals, and each wait is in a loop.
//!
//! # Guarantees
//!
//! - Each chunk is run once, and its result is reported to its set, also if it fails.
//! - What is cut off a chunk is given back to its set before the chunk is run, and is a chunk of its own then.
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

    /// Takes the next chunk out of a set. Returns `None` if none is left. It is called under the queue's lock, so it
    /// must not wait for others.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn next_chunk(&self, set: &mut Self::Set) -> Result<Option<Self::Chunk>, Self::Error>;

    /// Cuts a chunk of `owner`'s set. Returns what is to be run, and the rest, which is to be given back.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn cut(&self, owner: usize, chunk: Self::Chunk) -> Result<Cut<Self::Chunk>, Self::Error>;

    /// Gives the rest of a chunk back to its set.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn give_back(&self, set: &mut Self::Set, rest: Self::Chunk) -> Result<(), Self::Error>;

    /// True if the set may have another chunk.
    fn has_more(&self, set: &Self::Set) -> bool;

    /// Runs a chunk of `owner`'s set, with no lock of the scheduler held.
    ///
    /// # Errors
    ///
    /// The whole work then fails.
    fn run(
        &self,
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

    /// Tells whether the work goes on.
    ///
    /// # Errors
    ///
    /// Returns why it does not: no further set is begun and no further chunk is run.
    fn check(&self) -> Result<(), Self::Error>;

    /// Has [`Self::check`] fail from now on.
    fn fail(&self, error: Self::Error);
}

/// A chunk after [`Work::cut`].
pub struct Cut<C> {
    /// What is to be run.
    pub chunk: C,
    /// What is to be given back.
    pub rest: Option<C>,
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
    /// How often there were chunks for others, counted from the beginning.
    offers: u64,
}

/// The set of one owner.
struct Queue<S> {
    state: Pin<KBox<Mutex<QueueState<S>>>>,
    /// Notified when the last chunk has reported, and when a part of one is given back.
    changed: Pin<KBox<CondVar>>,
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
            changed: KBox::pin_init(new_condvar!("Queue::changed"), flags)
                .map_err(|_| AllocError)?,
        })
    }

    /// Claims a chunk, which must report.
    fn claim<W: Work<Set = S>>(&self, work: &W) -> Result<Option<Claimed<W::Chunk>>, W::Error> {
        let mut state = self.state.lock();
        let QueueState { set, claimed } = &mut *state;
        let Some(set) = set else { return Ok(None) };
        let Some(chunk) = work.next_chunk(set)? else {
            return Ok(None);
        };
        *claimed += 1;
        let has_more = work.has_more(set);
        Ok(Some(Claimed { chunk, has_more }))
    }

    /// Gives back what was cut off a chunk that was claimed and has not reported.
    fn give_back<W: Work<Set = S>>(&self, work: &W, rest: W::Chunk) -> Result<(), W::Error> {
        let mut state = self.state.lock();
        if let Some(set) = &mut state.set {
            work.give_back(set, rest)?;
        }
        drop(state);
        // The owner may be waiting for the chunk to report.
        // mutant: wake-owner
        self.changed.notify_all();
        Ok(())
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
            self.changed.notify_all();
        }
    }

    /// Takes the set out, once all chunks that were claimed have reported. Returns `None` as soon as there are more chunks,
    /// and the work goes on.
    fn take<W: Work<Set = S>>(&self, work: &W) -> Option<S> {
        let mut state = self.state.lock();
        loop {
            // mutant: rest-before-end
            let has_more = state.set.as_ref().is_some_and(|set| work.has_more(set));
            if has_more && work.check().is_ok() {
                return None;
            }
            // mutant: wait-for-reports
            if state.claimed == 0 {
                return state.set.take();
            }
            let _ = self.changed.wait_interruptible(&mut state);
        }
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
            offers: 0,
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
        self.steal_chunks(work, workspace);
    }

    fn run_own_sets<W: Work<Set = S>>(
        &self,
        work: &W,
        worker: usize,
        queue: &Queue<S>,
        workspace: &mut W::Workspace,
    ) {
        while work.check().is_ok() {
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
            let set = loop {
                self.run_chunks(work, worker, workspace, |has_more| {
                    if has_more && !is_shared {
                        is_shared = true;
                        self.offer();
                    }
                });
                if let Some(set) = queue.take(work) {
                    break set;
                }
            };
            if let Err(error) = work.finish(worker, set) {
                work.fail(error);
            }
        }
    }

    /// Tells the idle workers that there are chunks for them.
    fn offer(&self) {
        // mutant: count-offer
        self.idle.lock().offers += 1;
        // mutant: wake-thieves
        self.work_available.notify_all();
    }

    /// Runs chunks of other workers' sets until there will be none any more.
    fn steal_chunks<W: Work<Set = S>>(&self, work: &W, workspace: &mut W::Workspace) {
        loop {
            // mutant: count-before-look
            let offers = self.idle.lock().offers;
            // mutant: look-at-queues
            for owner in 0..self.queues.len() {
                self.run_chunks(work, owner, workspace, |_| {});
            }
            let mut idle = self.idle.lock();
            if idle.offers == offers {
                // mutant: owners-left
                if idle.owners_left == 0 {
                    return;
                }
                let _ = self.work_available.wait_interruptible(&mut idle);
            }
        }
    }

    /// Runs what is left of `owner`'s set, chunk by chunk. Calls `claimed` after each claim, with
    /// whether there may be more.
    fn run_chunks<W: Work<Set = S>>(
        &self,
        work: &W,
        owner: usize,
        workspace: &mut W::Workspace,
        mut claimed: impl FnMut(bool),
    ) {
        let Some(queue) = self.queues.get(owner) else {
            return;
        };
        while work.check().is_ok() {
            match queue.claim(work) {
                Ok(None) => return,
                Ok(Some(Claimed { chunk, has_more })) => {
                    claimed(has_more);
                    let report = self.run_chunk(work, owner, queue, chunk, workspace);
                    // mutant: report-failed-chunk
                    let report = report.inspect_err(|error| work.fail(*error)).ok();
                    queue.report(work, report);
                }
                Err(error) => work.fail(error),
            }
        }
    }

    /// Cuts a chunk that was claimed, gives the rest back, and runs it.
    fn run_chunk<W: Work<Set = S>>(
        &self,
        work: &W,
        owner: usize,
        queue: &Queue<S>,
        chunk: W::Chunk,
        workspace: &mut W::Workspace,
    ) -> Result<W::Report, W::Error> {
        let Cut { chunk, rest } = work.cut(owner, chunk)?;
        if let Some(rest) = rest {
            queue.give_back(work, rest)?;
            // mutant: offer-rest
            self.offer();
        }
        work.run(owner, chunk, workspace)
    }
}
