// SPDX-License-Identifier: GPL-2.0-only

//! Ending work that several threads share.

use core::pin::Pin;
use kernel::alloc::{AllocError, Flags, KBox};
use kernel::init::InPlaceInit;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_mutex, Mutex};

/// The first failure of several threads that work together, which tells the others to stop.
///
/// A thread asks [`Self::check`] between two steps of its work. While nothing has failed that is one
/// relaxed load.
pub struct Cancellation<E> {
    failure: Pin<KBox<Mutex<Option<E>>>>,
    is_cancelled: Atomic<bool>,
}

impl<E: Copy + Unpin> Cancellation<E> {
    /// Creates a cancellation without a failure. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(flags: Flags) -> Result<Self, AllocError> {
        Ok(Self {
            failure: KBox::pin_init(new_mutex!(None, "Cancellation::failure"), flags)
                .map_err(|_| AllocError)?,
            is_cancelled: Atomic::new(false),
        })
    }

    /// Cancels the work because of `error`, unless an earlier failure did. May sleep.
    pub fn cancel(&self, error: E) {
        // mutant: first-failure
        self.failure.lock().get_or_insert(error);
        // mutant: tell-others
        self.is_cancelled.store(true, Relaxed);
    }

    /// Tells whether the work goes on. May sleep once it was cancelled, and not before.
    ///
    /// # Errors
    ///
    /// Returns the first failure.
    pub fn check(&self) -> Result<(), E> {
        if !self.is_cancelled.load(Relaxed) {
            return Ok(());
        }
        // The flag is set after the failure, and the lock orders the rest.
        match *self.failure.lock() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
