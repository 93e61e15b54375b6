// SPDX-License-Identifier: GPL-2.0-only

//! Runs and their outcomes with one caller at a time, and with exhausted memory.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::{AllocError, Flags};
use kernel::testing::{fail_allocations_after, wait_for_sleepers, KillableQueue, Task};
use logic::interrupted::Interrupted;
use protocol::coalescer::{Coalescer, RunError, SharedFailure};
use protocol::database::{Database, Groups};
use protocol::rcu::RcuBox;
use protocol::wait_queue::WaitQueue;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Held by tests that wait for sleeping threads, since all threads of the process are counted.
static SLEEPERS: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Failure;

impl SharedFailure for Failure {
    fn is_private(self) -> bool {
        false
    }
}

struct Queue(KillableQueue);

impl WaitQueue for Queue {
    fn new(_flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(KillableQueue::default()))
    }

    fn wait_killable(&self, is_over: impl Fn() -> bool) -> Result<(), Interrupted> {
        self.0.wait(is_over).then_some(()).ok_or(Interrupted)
    }

    fn wake_all(&self) {
        self.0.wake_all();
    }
}

struct Snapshot {
    has_group: AtomicBool,
}

impl Groups for Snapshot {
    type Key = str;

    fn remove(&self, key: &str) -> bool {
        key == "group" && self.has_group.swap(false, Ordering::SeqCst)
    }
}

fn scan() -> Result<RcuBox<Snapshot>, Failure> {
    let has_group = AtomicBool::new(true);
    RcuBox::new(Snapshot { has_group }, GFP_KERNEL).map_err(|_| Failure)
}

fn coalescer() -> Coalescer<Failure, Queue> {
    Coalescer::new(GFP_KERNEL).expect("memory")
}

fn database() -> Database<Snapshot, Failure, Queue> {
    Database::new(GFP_KERNEL).expect("memory")
}

#[test]
fn a_single_caller_gets_the_result_of_its_own_run() {
    let coalescer = coalescer();
    for number in 0..3 {
        assert_eq!(coalescer.run(|| Ok(number)), Ok(Some(number)));
    }
}

#[test]
fn a_failure_is_not_the_next_callers() {
    let coalescer = coalescer();
    assert_eq!(
        coalescer.run(|| Err::<(), _>(Failure)),
        Err(RunError::Failed(Failure))
    );
    assert_eq!(coalescer.run(|| Ok(())), Ok(Some(())));
}

#[test]
fn a_closed_coalescer_runs_nothing() {
    let coalescer = coalescer();
    assert!(!coalescer.is_closing());
    coalescer.close();
    assert!(coalescer.is_closing());
    let refused = coalescer.run(|| -> Result<(), Failure> { panic!("must not run") });
    assert_eq!(refused, Err(RunError::Closing));
    assert_eq!(
        coalescer.with_writer_lock(|| 1),
        1,
        "single steps still work"
    );
}

#[test]
fn a_fatal_signal_ends_the_wait_for_a_turn() {
    let _alone = SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
    let coalescer = coalescer();
    let task = Task::default();
    std::thread::scope(|threads| {
        let first = coalescer.run(|| {
            let waiting = threads.spawn(|| {
                task.enter();
                coalescer.run(|| Ok(()))
            });
            wait_for_sleepers(1);
            task.signal();
            assert_eq!(
                waiting.join().expect("no panic"),
                Err(RunError::Interrupted)
            );
            Ok(())
        });
        assert_eq!(first, Ok(Some(())));
    });
}

#[test]
fn many_callers_at_once_cost_two_runs() {
    const WAITING: usize = 8;
    let _alone = SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
    let coalescer = coalescer();
    let runs = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        let first = coalescer.run(|| {
            for _ in 0..WAITING {
                threads.spawn(|| {
                    let answer = coalescer.run(|| {
                        runs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    });
                    assert!(answer.is_ok());
                });
            }
            wait_for_sleepers(WAITING);
            Ok(())
        });
        assert_eq!(first, Ok(Some(())));
    });
    assert_eq!(runs.load(Ordering::SeqCst), 1, "one run for all who waited");
}

#[test]
fn before_the_first_reset_there_is_nothing() {
    let database = database();
    assert!(database.snapshot().is_none());
    assert!(database.read(|snapshot, _| snapshot.is_none()));
    assert!(!database.delete("group"));
}

#[test]
fn a_group_is_deleted_once_and_is_back_after_a_reset() {
    let database = database();
    for _ in 0..2 {
        assert_eq!(database.reset(scan, drop), Ok(()));
        assert!(!database.delete("another"));
        assert!(database.delete("group"));
        assert!(!database.delete("group"));
    }
}

#[test]
fn a_reset_that_fails_changes_nothing() {
    let database = database();
    assert_eq!(database.reset(scan, drop), Ok(()));
    assert!(database.delete("group"));
    let failing = fail_allocations_after(0);
    assert_eq!(database.reset(scan, drop), Err(RunError::Failed(Failure)));
    drop(failing);
    assert!(!database.delete("group"), "still the old snapshot");
}

#[test]
fn a_closed_database_is_read_but_not_reset() {
    let database = database();
    assert_eq!(database.reset(scan, drop), Ok(()));
    database.close();
    assert!(database.is_closing());
    assert_eq!(database.reset(scan, drop), Err(RunError::Closing));
    assert!(database.snapshot().is_some());
}

#[test]
fn without_memory_nothing_is_made() {
    // A mutex; the queue of this test needs no memory.
    let failing = fail_allocations_after(0);
    assert!(Coalescer::<Failure, Queue>::new(GFP_KERNEL).is_err());
    assert!(Database::<Snapshot, Failure, Queue>::new(GFP_KERNEL).is_err());
    drop(failing);
    let _failing = fail_allocations_after(1);
    assert!(Coalescer::<Failure, Queue>::new(GFP_KERNEL).is_ok());
}
