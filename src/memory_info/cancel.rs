// SPDX-License-Identifier: GPL-2.0-only

//! When a scan ends early.

use abstractions_task::current::fatal_signal_pending;
use kernel::alloc::{AllocError, Flags};
use logic_memory_info::failure::Failure;
use protocol::scan::cancellation::Cancellation;

/// The number of the worker that is the caller of RESET.
pub(crate) const CALLER: usize = 0;

/// Ends a scan at its first failure, after a fatal signal for its caller, or when its result is not
/// needed any more.
pub(crate) struct ScanCancellation<'a> {
    cancellation: Cancellation<Failure>,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> ScanCancellation<'a> {
    /// Creates the cancellation of one scan, whose result is needed until `stop` returns true. May
    /// sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn new(
        stop: &'a (dyn Fn() -> bool + Sync),
        flags: Flags,
    ) -> Result<Self, AllocError> {
        Ok(Self {
            cancellation: Cancellation::new(flags)?,
            stop,
        })
    }

    /// Ends the scan because of `failure`, unless an earlier failure did. May sleep.
    pub(crate) fn cancel(&self, failure: Failure) {
        self.cancellation.cancel(failure);
    }

    /// Tells `worker` whether the scan goes on. A worker calls this about every 0.1 ms. May sleep.
    ///
    /// # Errors
    ///
    /// Returns why the scan ends.
    pub(crate) fn check(&self, worker: usize) -> Result<(), Failure> {
        if worker == CALLER && fatal_signal_pending() {
            self.cancel(Failure::Interrupted);
        }
        if (self.stop)() {
            self.cancel(Failure::Closing);
        }
        self.cancellation.check()
    }

    /// Returns the outcome of the scan after all workers have returned. May sleep.
    ///
    /// # Errors
    ///
    /// Returns the first failure.
    pub(crate) fn outcome(&self) -> Result<(), Failure> {
        self.cancellation.check()
    }
}
