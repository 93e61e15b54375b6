// SPDX-License-Identifier: GPL-2.0-only

//! When a scan ends early.

use kernel::alloc::{AllocError, Flags};
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use logic_memory_info::failure::Failure;
use protocol::scan::cancellation::Cancellation;

/// How long a worker sleeps before it looks again at what others are changing.
const PAUSE: Delta = Delta::from_micros(200);

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

    /// Tells a worker whether the scan goes on. A worker calls this about every 0.1 ms. May sleep.
    ///
    /// # Errors
    ///
    /// Returns why the scan ends.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if (self.stop)() {
            self.cancel(Failure::Closing);
        }
        self.cancellation.check()
    }

    /// Sleeps for a moment, without holding anything that another process could wait for, before a worker looks again at
    /// what others are changing.
    ///
    /// # Errors
    ///
    /// Returns why the scan ends.
    pub(crate) fn pause(&self) -> Result<(), Failure> {
        self.check()?;
        fsleep(PAUSE);
        Ok(())
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
