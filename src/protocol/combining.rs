// SPDX-License-Identifier: GPL-2.0-only

//! Writers take turns, and those that wait for the same thing share one run.
//!
//! A *run* is one whole scan. A caller is answered by the first run that *began* after it asked, so
//! never by one that may have passed by what the caller wants seen. Those who ask while a run is
//! under way all wait for the next: any number at once cost at most two.
//!
//! The runner works outside the mutex. What must be one step beside other writers (publishing,
//! removing a group) is done under it, for a moment, by [`Combiner::exclusively`].

use core::pin::Pin;
use kernel::alloc::{AllocError, Flags, KBox};
use kernel::init::InPlaceInit;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};

/// Why a caller got no run of its own kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused<E> {
    /// A signal came while it waited for its turn. It has changed nothing: the command may be
    /// started again.
    Signal,
    /// [`Combiner::close`] was called.
    Closing,
    /// The run failed.
    Failed(E),
}

/// A run's failure, and whether it is also the answer for those who waited for this run.
pub trait RunError: Copy + Send + Unpin {
    /// True if only the runner is concerned (it was killed): the others then run by themselves.
    fn is_private(self) -> bool;
}

struct Turns<E> {
    /// Runs begun so far: the number of the latest.
    begun: u64,
    /// A run is under way.
    running: bool,
    /// Number of the latest run that succeeded; 0 for none.
    succeeded: u64,
    /// Number of the latest run whose failure concerns all who waited for it.
    failed: Option<(u64, E)>,
}

/// Serializes writers and combines their runs.
pub struct Combiner<E> {
    turns: Pin<KBox<Mutex<Turns<E>>>>,
    turn_ended: Pin<KBox<CondVar>>,
    closing: Atomic<i32>,
}

impl<E: RunError> Combiner<E> {
    /// Nobody running, nothing done. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(flags: Flags) -> Result<Self, AllocError> {
        let turns = Turns {
            begun: 0,
            running: false,
            succeeded: 0,
            failed: None,
        };
        Ok(Self {
            turns: KBox::pin_init(new_mutex!(turns, "Combiner::turns"), flags)
                .map_err(|_| AllocError)?,
            turn_ended: KBox::pin_init(new_condvar!("Combiner::turn_ended"), flags)
                .map_err(|_| AllocError)?,
            closing: Atomic::new(0),
        })
    }

    /// Returns once a run that began after this call has ended: the caller's own, with what it
    /// returned, or another's. May sleep, for as long as two runs.
    ///
    /// # Errors
    ///
    /// [`Refused`]; a failed run has the same effect on the others as none.
    pub fn run<R>(&self, run: impl FnOnce() -> Result<R, E>) -> Result<Option<R>, Refused<E>> {
        let mut turns = self.turns.lock();
        // mutant: wanted-run
        let wanted = turns.begun + 1;
        loop {
            // mutant: refuse-when-closing
            if self.is_closing() {
                return Err(Refused::Closing);
            }
            if turns.succeeded >= wanted {
                return Ok(None);
            }
            if let Some((_, error)) = turns.failed.filter(|(number, _)| *number >= wanted) {
                return Err(Refused::Failed(error));
            }
            // mutant: one-runner
            if !turns.running {
                break;
            }
            // mutant: wait-for-turn
            if self.turn_ended.wait_interruptible(&mut turns) {
                // mutant: signal
                return Err(Refused::Signal);
            }
        }
        turns.begun += 1;
        turns.running = true;
        let number = turns.begun;
        drop(turns);

        let outcome = run();

        let mut turns = self.turns.lock();
        turns.running = false;
        match &outcome {
            // mutant: share-success
            Ok(_) => turns.succeeded = number,
            // mutant: private-failure
            Err(error) if error.is_private() => {}
            // mutant: share-failure
            Err(error) => turns.failed = Some((number, *error)),
        }
        drop(turns);
        // mutant: wake-waiters
        self.turn_ended.notify_all();
        outcome.map(Some).map_err(Refused::Failed)
    }

    /// Does one step that no other writer's step may interleave with. Holds the mutex meanwhile: the
    /// step must be short.
    pub fn exclusively<R>(&self, step: impl FnOnce() -> R) -> R {
        // mutant: exclusive-step
        let _turns = self.turns.lock();
        step()
    }

    /// Refuses all runs from now on, wakes those who wait, and tells the one under way to give up
    /// (if it asks [`Self::is_closing`]).
    pub fn close(&self) {
        let turns = self.turns.lock();
        self.closing.store(1, Relaxed);
        drop(turns);
        // mutant: wake-when-closing
        self.turn_ended.notify_all();
    }

    /// True after [`Self::close`]. A run should ask now and then, and end early.
    pub fn is_closing(&self) -> bool {
        // A hint for runs; waiters ask under the mutex that `close` held.
        self.closing.load(Relaxed) != 0
    }
}
