// SPDX-License-Identifier: GPL-2.0-only

//! Callers that wait for each other's runs.
//!
//! A test's record of the runs ([`Runs`]) is ordinary memory that loom does not know: it adds neither
//! orderings nor executions.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::testing::{spawn, wait_for_sleepers, Task};
use model::explore;
use model::queue::Queue;
use model::snapshot::ScanFailure;
use protocol::coalescer::{Coalescer, RunError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The record of all runs.
#[derive(Default)]
struct Ghost {
    begun: usize,
    running: bool,
    succeeded: Vec<usize>,
}

#[derive(Default)]
struct Runs(Mutex<Ghost>);

impl Runs {
    fn ghost(&self) -> MutexGuard<'_, Ghost> {
        self.0.lock().expect("no panic before")
    }

    /// Executes a run during which other threads may run.
    fn run(&self, outcome: Result<(), ScanFailure>) -> Result<(), ScanFailure> {
        let number = self.begin();
        loom::thread::yield_now();
        let mut ghost = self.ghost();
        ghost.running = false;
        if outcome.is_ok() {
            ghost.succeeded.push(number);
        }
        outcome
    }

    /// Executes a run that succeeds without a switch to another thread.
    fn run_at_once(&self) -> Result<(), ScanFailure> {
        self.begin();
        self.ghost().running = false;
        Ok(())
    }

    fn begin(&self) -> usize {
        let mut ghost = self.ghost();
        assert!(!ghost.running, "two runs at once");
        ghost.running = true;
        ghost.begun += 1;
        ghost.begun
    }
}

struct Shared {
    coalescer: Coalescer<ScanFailure, Queue>,
    runs: Runs,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            coalescer: Coalescer::new(GFP_KERNEL).expect("memory"),
            runs: Runs::default(),
        })
    }

    /// Runs as one caller and checks its answer.
    fn ask(&self, outcome: Result<(), ScanFailure>) -> Result<(), RunError<ScanFailure>> {
        let begun_before = self.runs.ghost().begun;
        let answer = self.coalescer.run(|| self.runs.run(outcome));
        if answer.is_ok() {
            let ghost = self.runs.ghost();
            assert!(
                ghost.succeeded.iter().any(|run| *run > begun_before),
                "answered by a run that began before the command"
            );
        }
        answer.map(|_own| ())
    }
}

#[test]
fn no_answer_from_a_run_that_began_before_the_command() {
    explore(|| {
        let shared = Shared::new();
        let others = [(), ()].map(|()| {
            let shared = shared.clone();
            spawn(move || shared.ask(Ok(())))
        });
        assert_eq!(shared.ask(Ok(())), Ok(()));
        for other in others {
            assert_eq!(other.join(), Ok(()));
        }
        assert!(shared.runs.ghost().begun <= 3);
    });
}

#[test]
fn waiting_callers_share_one_run() {
    explore(|| {
        let shared = Shared::new();
        let ask = || {
            let shared = shared.clone();
            spawn(move || {
                let answer = shared.coalescer.run(|| shared.runs.run_at_once());
                assert!(answer.is_ok());
            })
        };
        let mut waiting = None;
        let first = shared.coalescer.run(|| {
            waiting = Some([ask(), ask(), ask()]);
            wait_for_sleepers(3);
            shared.runs.run_at_once()
        });
        assert_eq!(first, Ok(Some(())), "its own run's result");
        for caller in waiting.into_iter().flatten() {
            caller.join();
        }
        assert_eq!(
            shared.runs.ghost().begun,
            2,
            "the first run, and one for all who waited"
        );
    });
}

#[test]
fn a_failure_is_shared_by_the_waiting_callers() {
    explore(|| {
        let shared = Shared::new();
        let mut waiting = None;
        let first = shared.coalescer.run(|| {
            waiting = Some([Err(ScanFailure::NoMemory), Ok(())].map(|outcome| {
                let shared = shared.clone();
                spawn(move || shared.ask(outcome))
            }));
            wait_for_sleepers(2);
            shared.runs.run(Ok(()))
        });
        assert_eq!(first, Ok(Some(())));
        let answers = waiting.map(|waiting| waiting.map(|caller| caller.join()));
        let failed = Err(RunError::Failed(ScanFailure::NoMemory));
        // Either of the two callers may have been the runner.
        assert!(
            answers == Some([Ok(()), Ok(())]) || answers == Some([failed, failed]),
            "not shared: {answers:?}"
        );
        assert_eq!(shared.runs.ghost().begun, 2);
    });
}

#[test]
fn a_private_failure_does_not_fail_the_waiting_callers() {
    explore(|| {
        let shared = Shared::new();
        let others = [(), ()].map(|()| {
            let shared = shared.clone();
            spawn(move || shared.ask(Ok(())))
        });
        let killed = shared.ask(Err(ScanFailure::Killed));
        assert!(matches!(
            killed,
            Ok(()) | Err(RunError::Failed(ScanFailure::Killed))
        ));
        for other in others {
            assert_eq!(other.join(), Ok(()));
        }
    });
}

#[test]
fn a_fatal_signal_ends_a_wait_without_losing_a_wake_up() {
    explore(|| {
        let shared = Shared::new();
        let task = Task::default();
        let interrupted = {
            let (shared, task) = (shared.clone(), task.clone());
            spawn(move || {
                task.enter();
                shared.ask(Ok(()))
            })
        };
        let waiting = {
            let shared = shared.clone();
            spawn(move || shared.ask(Ok(())))
        };
        task.signal();
        assert_eq!(shared.ask(Ok(())), Ok(()));
        assert!(matches!(
            interrupted.join(),
            Ok(()) | Err(RunError::Interrupted)
        ));
        assert_eq!(waiting.join(), Ok(()));
    });
}

#[test]
fn a_spurious_wake_up_is_not_an_answer() {
    explore(|| {
        let shared = Shared::new();
        let task = Task::default();
        let mut waiting = None;
        let first = shared.coalescer.run(|| {
            waiting = Some({
                let (shared, task) = (shared.clone(), task.clone());
                spawn(move || {
                    task.enter();
                    shared.ask(Ok(()))
                })
            });
            wait_for_sleepers(1);
            task.wake();
            shared.runs.run(Ok(()))
        });
        assert_eq!(first, Ok(Some(())));
        let answer = waiting.map(|waiting| waiting.join());
        assert_eq!(answer, Some(Ok(())));
        assert_eq!(shared.runs.ghost().begun, 2);
    });
}

#[test]
fn closing_wakes_all_waiting_callers() {
    explore(|| {
        let shared = Shared::new();
        let callers = [(), ()].map(|()| {
            let shared = shared.clone();
            spawn(move || shared.ask(Ok(())))
        });
        shared.coalescer.close();
        let begun = shared.runs.ghost().begun;
        assert_eq!(shared.ask(Ok(())), Err(RunError::Closing), "closed before");
        for caller in callers {
            assert!(matches!(caller.join(), Ok(()) | Err(RunError::Closing)));
        }
        assert!(
            shared.runs.ghost().begun <= begun + 1,
            "a caller that had passed the door"
        );
    });
}

#[test]
fn a_fatal_signal_ends_a_wait() {
    explore(|| {
        let shared = Shared::new();
        let task = Task::default();
        let mut interrupted = None;
        let first = shared.coalescer.run(|| {
            interrupted = Some({
                let (shared, task) = (shared.clone(), task.clone());
                spawn(move || {
                    task.enter();
                    shared.ask(Ok(()))
                })
            });
            task.signal();
            // The caller returns during this run, so it does not wait for the run's end.
            let outcome = interrupted.take().map(|interrupted| interrupted.join());
            assert_eq!(outcome, Some(Err(RunError::Interrupted)));
            shared.runs.run(Ok(()))
        });
        assert_eq!(first, Ok(Some(())));
    });
}

#[test]
fn closing_wakes_callers_that_wait_for_a_run_in_progress() {
    explore(|| {
        let shared = Shared::new();
        let first = shared.coalescer.run(|| {
            let waiting = {
                let shared = shared.clone();
                spawn(move || shared.ask(Ok(())))
            };
            let closing = {
                let shared = shared.clone();
                spawn(move || shared.coalescer.close())
            };
            assert_eq!(waiting.join(), Err(RunError::Closing));
            closing.join();
            shared.runs.run(Ok(()))
        });
        assert_eq!(first, Ok(Some(())));
    });
}

#[test]
fn exclusive_steps_do_not_interleave() {
    explore(|| {
        let shared = Shared::new();
        let inside = Arc::new(AtomicBool::new(false));
        let step = {
            let (shared, inside) = (shared.clone(), inside.clone());
            move || {
                shared.coalescer.with_writer_lock(|| {
                    let is_second = inside.swap(true, Ordering::Relaxed);
                    assert!(!is_second, "two steps at once");
                    loom::thread::yield_now();
                    inside.store(false, Ordering::Relaxed);
                });
            }
        };
        let other = spawn(step.clone());
        let running = {
            let shared = shared.clone();
            spawn(move || shared.ask(Ok(())))
        };
        step();
        other.join();
        assert_eq!(running.join(), Ok(()));
    });
}
