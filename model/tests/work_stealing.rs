// SPDX-License-Identifier: GPL-2.0-only

//! Workers that share sets of work.
//!
//! A test's record of the chunks ([`Record`]) is ordinary memory that loom does not know: it adds neither
//! orderings nor executions.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::init::InPlaceInit;
use kernel::prelude::KBox;
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};
use kernel::testing::{spawn, Spawned};
use model::explore;
use protocol::scan::cancellation::Cancellation;
use protocol::scan::work_stealing::{Cut, Scheduler, Work};
use std::pin::Pin;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard};

/// A chunk, by the number of its set and its index in the set.
type Chunk = (usize, usize);

/// Chunks that are handed out together: the first is run, the others are cut off.
type Chunks = (Chunk, usize);

/// A set that has begun.
struct Set {
    number: usize,
    next: usize,
    /// What was given back.
    rest: Option<Chunks>,
    reported: Vec<usize>,
}

/// The chunks that were run and the sets that were finished.
#[derive(Default)]
struct Record {
    ran: Vec<Chunk>,
    finished: Vec<usize>,
}

/// Makes the first chunk of a set wait until the second chunk has run, which takes two workers.
struct Meeting {
    second_has_run: Pin<KBox<Mutex<bool>>>,
    changed: Pin<KBox<CondVar>>,
}

impl Meeting {
    fn new() -> Self {
        Self {
            second_has_run: KBox::pin_init(new_mutex!(false), GFP_KERNEL).expect("memory"),
            changed: KBox::pin_init(new_condvar!(), GFP_KERNEL).expect("memory"),
        }
    }

    fn attend(&self, place: usize) {
        let mut second_has_run = self.second_has_run.lock();
        if place == 1 {
            *second_has_run = true;
            drop(second_has_run);
            self.changed.notify_all();
            return;
        }
        while !*second_has_run {
            self.changed.wait(&mut second_has_run);
        }
    }
}

/// Sets with these numbers of chunks, some of which fail.
struct ModelWork {
    chunks: &'static [usize],
    failing: &'static [Chunk],
    /// The chunks of a set are handed out all at once, and cut.
    is_cut: bool,
    meeting: Option<Meeting>,
    cancellation: Cancellation<Chunk>,
    record: StdMutex<Record>,
}

impl ModelWork {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no panic before")
    }
}

impl Work for ModelWork {
    type Set = Set;
    type Chunk = Chunks;
    type Report = usize;
    type Workspace = ();
    type Error = Chunk;

    fn begin(&self, number: usize) -> Result<Option<Set>, Chunk> {
        Ok((number < self.chunks.len()).then(|| Set {
            number,
            next: 0,
            rest: None,
            reported: Vec::new(),
        }))
    }

    fn next_chunk(&self, set: &mut Set) -> Result<Option<Chunks>, Chunk> {
        if let Some(rest) = set.rest.take() {
            return Ok(Some(rest));
        }
        let left = self.chunks[set.number] - set.next;
        if left == 0 {
            return Ok(None);
        }
        let taken = if self.is_cut { left } else { 1 };
        set.next += taken;
        Ok(Some(((set.number, set.next - taken), taken)))
    }

    fn cut(&self, _owner: usize, (chunk, len): Chunks) -> Result<Cut<Chunks>, Chunk> {
        Ok(Cut {
            chunk: (chunk, 1),
            rest: (len > 1).then_some(((chunk.0, chunk.1 + 1), len - 1)),
        })
    }

    fn give_back(&self, set: &mut Set, rest: Chunks) -> Result<(), Chunk> {
        assert!(set.rest.is_none());
        set.rest = Some(rest);
        Ok(())
    }

    fn has_more(&self, set: &Set) -> bool {
        set.rest.is_some() || set.next < self.chunks[set.number]
    }

    fn run(&self, _owner: usize, (chunk, len): Chunks, (): &mut ()) -> Result<usize, Chunk> {
        assert_eq!(len, 1, "the chunk was cut");
        if let Some(meeting) = &self.meeting {
            meeting.attend(chunk.1);
        }
        self.record().ran.push(chunk);
        if self.failing.contains(&chunk) {
            return Err(chunk);
        }
        Ok(chunk.1)
    }

    fn report(&self, set: &mut Set, place: usize) {
        set.reported.push(place);
    }

    fn finish(&self, _owner: usize, mut set: Set) -> Result<(), Chunk> {
        if self.cancellation.check().is_ok() {
            set.reported.sort_unstable();
            let all: Vec<_> = (0..self.chunks[set.number]).collect();
            assert_eq!(
                set.reported, all,
                "finished before all chunks have reported"
            );
        }
        self.record().finished.push(set.number);
        Ok(())
    }

    fn check(&self) -> Result<(), Chunk> {
        self.cancellation.check()
    }

    fn fail(&self, chunk: Chunk) {
        self.cancellation.cancel(chunk);
    }
}

/// The work and its scheduler.
struct Run {
    work: ModelWork,
    scheduler: Scheduler<Set>,
}

impl Run {
    fn new(workers: usize, chunks: &'static [usize]) -> Self {
        Self {
            work: ModelWork {
                chunks,
                failing: &[],
                is_cut: false,
                meeting: None,
                cancellation: Cancellation::new(GFP_KERNEL).expect("memory"),
                record: StdMutex::default(),
            },
            scheduler: Scheduler::new(workers, GFP_KERNEL).expect("memory"),
        }
    }

    fn failing(mut self, chunks: &'static [Chunk]) -> Self {
        self.work.failing = chunks;
        self
    }

    fn cut(mut self) -> Self {
        self.work.is_cut = true;
        self
    }

    fn meeting(mut self) -> Self {
        self.work.meeting = Some(Meeting::new());
        self
    }

    fn spawn(self: &Arc<Self>, worker: usize) -> Spawned<()> {
        let run = self.clone();
        spawn(move || run.work_as(worker))
    }

    fn work_as(&self, worker: usize) {
        self.scheduler.work(&self.work, worker, &mut ());
    }

    /// Runs all workers and returns when all have returned.
    fn on_workers(self, workers: usize) -> Arc<Self> {
        let run = Arc::new(self);
        let others: Vec<_> = (1..workers).map(|worker| run.spawn(worker)).collect();
        run.work_as(0);
        others.into_iter().for_each(Spawned::join);
        run
    }

    /// Checks that everything was done, once.
    fn assert_complete(&self) {
        let mut record = self.work.record();
        record.ran.sort_unstable();
        record.finished.sort_unstable();
        let sets = self.work.chunks.iter().enumerate();
        let all: Vec<Chunk> = sets
            .flat_map(|(set, chunks)| (0..*chunks).map(move |place| (set, place)))
            .collect();
        assert_eq!(record.ran, all, "each chunk is run once");
        let sets: Vec<_> = (0..self.work.chunks.len()).collect();
        assert_eq!(record.finished, sets, "each set is finished once");
        assert_eq!(self.work.cancellation.check(), Ok(()));
    }
}

#[test]
fn no_chunk_is_lost_or_run_twice() {
    explore(|| {
        let run = Run::new(2, &[2, 1]).on_workers(2);
        run.assert_complete();
    });
}

#[test]
fn a_set_is_finished_after_all_its_chunks_have_reported() {
    explore(|| {
        let run = Run::new(2, &[2]).on_workers(2);
        run.assert_complete();
    });
}

#[test]
fn an_idle_worker_wakes_when_a_set_is_shared() {
    explore(|| {
        let run = Run::new(2, &[2]).meeting().on_workers(2);
        run.assert_complete();
    });
}

#[test]
fn a_part_that_was_given_back_is_run() {
    explore(|| {
        let run = Run::new(2, &[2]).cut().on_workers(2);
        run.assert_complete();
    });
}

#[test]
fn an_idle_worker_wakes_when_a_part_is_given_back() {
    explore(|| {
        let run = Run::new(2, &[2]).cut().meeting().on_workers(2);
        run.assert_complete();
    });
}

#[test]
fn every_worker_returns_when_no_work_is_left() {
    explore(|| {
        let run = Run::new(2, &[1]).on_workers(2);
        run.assert_complete();
    });
}

#[test]
fn every_idle_worker_wakes_when_no_work_is_left() {
    explore(|| {
        let run = Run::new(3, &[]).on_workers(3);
        run.assert_complete();
    });
}

#[test]
fn workers_that_do_not_come_are_not_needed() {
    explore(|| {
        let run = Run::new(3, &[2, 0]).on_workers(1);
        run.assert_complete();
    });
}

#[test]
fn a_failed_chunk_is_reported_and_every_worker_returns() {
    explore(|| {
        let run = Run::new(2, &[3, 1]).failing(&[(0, 0)]).on_workers(2);
        assert_eq!(run.work.cancellation.check(), Err((0, 0)));
    });
}

#[test]
fn nothing_is_begun_after_a_failure() {
    explore(|| {
        let run = Run::new(1, &[1, 1]).failing(&[(0, 0)]).on_workers(1);
        assert_eq!(run.work.record().ran, [(0, 0)]);
        assert_eq!(
            run.work.record().finished,
            [0],
            "what was begun is finished"
        );
    });
}

#[test]
fn the_first_failure_is_kept() {
    explore(|| {
        let run = Run::new(2, &[2]).failing(&[(0, 0), (0, 1)]).on_workers(2);
        let first = run.work.cancellation.check();
        assert!(first == Err((0, 0)) || first == Err((0, 1)));
        run.work.fail((9, 9));
        assert_eq!(run.work.cancellation.check(), first);
    });
}

#[test]
fn every_worker_returns_after_cancellation() {
    explore(|| {
        let run = Arc::new(Run::new(2, &[2, 1]));
        let worker = run.spawn(1);
        run.work.fail((9, 9));
        run.work_as(0);
        worker.join();
        assert_eq!(run.work.cancellation.check(), Err((9, 9)));
    });
}
