// SPDX-License-Identifier: GPL-2.0-only

//! Writers take state, and those that wait for the same thing share one run.
//!
//! A *run* is one whole scan. A caller is answered by the first run that *began* after it asked, so
//! never by one that may have passed by what the caller wants seen. Those who ask while a run is
//! under way all wait for the next: any number at once cost at most two.
//!
//! The runner works outside the mutex. What must be one step beside other writers (publishing,
//! removing a group) is done under it, for a moment, by [`Coalescer::with_writer_lock`].

use core::pin::Pin;
use kernel::alloc::{AllocError, Flags, KBox};
use kernel::init::InPlaceInit;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};

/// Why a caller got no run of its own kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunError<E> {
    /// A signal came while it waited for its turn. It has changed nothing: the command may be
    /// started again.
    Signal,
    /// [`Coalescer::close`] was called.
    Closing,
    /// The run failed.
    Failed(E),
}

/// A run's failure, and whether it is also the answer for those who waited for this run.
pub trait SharedFailure: Copy + Send + Unpin {
    /// True if only the runner is concerned (it was killed): the others then run by themselves.
    fn is_private(self) -> bool;
}

struct RunState<E> {
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
pub struct Coalescer<E> {
    state: Pin<KBox<Mutex<RunState<E>>>>,
    run_ended: Pin<KBox<CondVar>>,
    closing: Atomic<i32>,
}

impl<E: SharedFailure> Coalescer<E> {
    /// Nobody running, nothing done. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(flags: Flags) -> Result<Self, AllocError> {
        let state = RunState {
            begun: 0,
            running: false,
            succeeded: 0,
            failed: None,
        };
        Ok(Self {
            state: KBox::pin_init(new_mutex!(state, "Coalescer::state"), flags)
                .map_err(|_| AllocError)?,
            run_ended: KBox::pin_init(new_condvar!("Coalescer::run_ended"), flags)
                .map_err(|_| AllocError)?,
            closing: Atomic::new(0),
        })
    }

    /// Returns once a run that began after this call has ended: the caller's own, with what it
    /// returned, or another's. May sleep, for as long as two runs.
    ///
    /// # Errors
    ///
    /// [`RunError`]; a failed run has the same effect on the others as none.
    pub fn run<R>(&self, run: impl FnOnce() -> Result<R, E>) -> Result<Option<R>, RunError<E>> {
        let mut state = self.state.lock();
        // mutant: wanted-run
        let wanted = state.begun + 1;
        loop {
            // mutant: refuse-when-closing
            if self.is_closing() {
                return Err(RunError::Closing);
            }
            if state.succeeded >= wanted {
                return Ok(None);
            }
            if let Some((_, error)) = state.failed.filter(|(number, _)| *number >= wanted) {
                return Err(RunError::Failed(error));
            }
            // mutant: one-runner
            if !state.running {
                break;
            }
            // mutant: wait-for-turn
            if self.run_ended.wait_interruptible(&mut state) {
                // mutant: signal
                return Err(RunError::Signal);
            }
        }
        state.begun += 1;
        state.running = true;
        let number = state.begun;
        drop(state);

        let outcome = run();

        let mut state = self.state.lock();
        state.running = false;
        match &outcome {
            // mutant: share-success
            Ok(_) => state.succeeded = number,
            // mutant: private-failure
            Err(error) if error.is_private() => {}
            // mutant: share-failure
            Err(error) => state.failed = Some((number, *error)),
        }
        drop(state);
        // mutant: wake-waiters
        self.run_ended.notify_all();
        outcome.map(Some).map_err(RunError::Failed)
    }

    /// Does one step that no other writer's step may interleave with. Holds the mutex meanwhile: the
    /// step must be short.
    pub fn with_writer_lock<R>(&self, step: impl FnOnce() -> R) -> R {
        // mutant: exclusive-step
        let _state = self.state.lock();
        step()
    }

    /// Refuses all runs from now on, wakes those who wait, and tells the one under way to give up
    /// (if it asks [`Self::is_closing`]).
    pub fn close(&self) {
        let state = self.state.lock();
        self.closing.store(1, Relaxed);
        drop(state);
        // mutant: wake-when-closing
        self.run_ended.notify_all();
    }

    /// True after [`Self::close`]. A run should ask now and then, and end early.
    pub fn is_closing(&self) -> bool {
        // A hint for runs; waiters ask under the mutex that `close` held.
        self.closing.load(Relaxed) != 0
    }
}
