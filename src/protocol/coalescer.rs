// SPDX-License-Identifier: GPL-2.0-only

//! Serializing writers, and coalescing those that wait for the same work.

use crate::wait_queue::WaitQueue;
use core::pin::Pin;
use kernel::alloc::{AllocError, Flags, KBox};
use kernel::init::InPlaceInit;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_mutex, Mutex};
use logic::interrupted::Interrupted;

/// Why [`Coalescer::run`] failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunError<E> {
    /// A fatal signal came while the caller waited. Nothing was done for it.
    Interrupted,
    /// [`Coalescer::close`] was called before a run for the caller began.
    Closing,
    /// The run that would have answered the caller failed.
    Failed(E),
}

/// A failure of a run, which may also be the answer to the callers that waited for this run.
pub trait SharedFailure: Copy + Send + Unpin {
    /// Tells whether the failure concerns the runner only, because it was killed. The next waiting
    /// caller then begins a run of its own.
    fn is_private(self) -> bool;
}

struct RunState<E> {
    /// Number of runs that have begun, which is the number of the latest run.
    begun: u64,
    /// True while a run is in progress.
    running: bool,
    /// Number of the latest run that succeeded; 0 for none.
    succeeded: u64,
    /// Number of the latest run whose failure is shared, and the failure.
    failed: Option<(u64, E)>,
}

/// Coalesces runs of the same work ("single flight").
///
/// A *run* is one execution of the work, such as a scan of all processes. [`Self::run`] answers a caller
/// by the first run that *begins* after the call, so never by a run that may have missed a change that
/// came before the call. Callers that arrive during a run all wait for the next one: one of them runs,
/// and the others share its result. So any number of simultaneous callers cost at most two runs.
///
/// At most one run is in progress, and it runs without the mutex. A step that must not interleave with
/// those of other writers, such as publishing the result, takes the mutex for a moment by
/// [`Self::with_writer_lock`].
///
/// Only a fatal signal ends a wait. A signal with a handler could be answered only by starting the command again, behind
/// all that have come in the meantime.
///
/// # Examples
///
/// ```
/// use kernel::alloc::flags::GFP_KERNEL;
/// use protocol::coalescer::{Coalescer, RunError, SharedFailure};
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct OutOfMemory;
///
/// impl SharedFailure for OutOfMemory {
///     fn is_private(self) -> bool {
///         false
///     }
/// }
///
/// # use kernel::alloc::{AllocError, Flags};
/// # use logic::interrupted::Interrupted;
/// # struct Queue(kernel::testing::KillableQueue);
/// # impl protocol::wait_queue::WaitQueue for Queue {
/// #     fn new(_: Flags) -> Result<Self, AllocError> {
/// #         Ok(Self(Default::default()))
/// #     }
/// #     fn wait_killable(&self, is_over: impl Fn() -> bool) -> Result<(), Interrupted> {
/// #         self.0.wait(is_over).then_some(()).ok_or(Interrupted)
/// #     }
/// #     fn wake_all(&self) {
/// #         self.0.wake_all();
/// #     }
/// # }
/// // `Queue` is a `WaitQueue`.
/// let coalescer = Coalescer::<_, Queue>::new(GFP_KERNEL).unwrap();
/// // No other caller is there: the result is that of the caller's own run.
/// assert_eq!(coalescer.run(|| Ok::<_, OutOfMemory>(42)), Ok(Some(42)));
/// let failed = coalescer.run(|| Err::<(), _>(OutOfMemory));
/// assert_eq!(failed, Err(RunError::Failed(OutOfMemory)));
/// coalescer.close();
/// assert_eq!(coalescer.run(|| Ok(43)), Err(RunError::Closing));
/// ```
pub struct Coalescer<E, W> {
    state: Pin<KBox<Mutex<RunState<E>>>>,
    /// The callers that wait for the end of a run.
    waiting: W,
    /// Number of runs that have ended. Changes under the mutex, and is read without it by waiting callers.
    ended: Atomic<u64>,
    closing: Atomic<i32>,
}

impl<E: SharedFailure, W: WaitQueue> Coalescer<E, W> {
    /// Creates a coalescer without runs. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
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
            waiting: W::new(flags)?,
            ended: Atomic::new(0),
            closing: Atomic::new(0),
        })
    }

    /// Returns when a run that began after this call has succeeded. Returns the value of `run` if it was
    /// the caller's own, and `None` if it was another caller's. May sleep, for as long as two runs.
    ///
    /// # Errors
    ///
    /// Returns [`RunError`] if a fatal signal came, the coalescer was closed, or the run failed.
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
            let ended = self.ended.load(Relaxed);
            drop(state);
            // mutant: wait-for-turn
            let waited = self
                .waiting
                .wait_killable(|| self.ended.load(Relaxed) != ended || self.is_closing());
            // mutant: signal
            waited.map_err(|Interrupted| RunError::Interrupted)?;
            state = self.state.lock();
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
        // mutant: count-end
        self.ended.store(number, Relaxed);
        drop(state);
        // mutant: wake-waiters
        self.waiting.wake_all();
        outcome.map(Some).map_err(RunError::Failed)
    }

    /// Executes a step that does not interleave with the steps of other writers. The step runs under the
    /// mutex and should be short. May sleep.
    pub fn with_writer_lock<R>(&self, step: impl FnOnce() -> R) -> R {
        // mutant: exclusive-step
        let _state = self.state.lock();
        step()
    }

    /// Refuses further runs and wakes the waiting callers, which return [`RunError::Closing`]. A run in
    /// progress should end early: see [`Self::is_closing`]. May sleep.
    pub fn close(&self) {
        let state = self.state.lock();
        self.closing.store(1, Relaxed);
        drop(state);
        // mutant: wake-when-closing
        self.waiting.wake_all();
    }

    /// Returns true after [`Self::close`]. A run should check this from time to time and end early. Does
    /// not sleep.
    pub fn is_closing(&self) -> bool {
        // Runs use this as a hint. Callers read it under the mutex that `close` takes, or in the queue that it wakes.
        self.closing.load(Relaxed) != 0
    }
}
