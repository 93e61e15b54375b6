// SPDX-License-Identifier: GPL-2.0-only

//! What the protocol expects of a queue of waiting tasks.

use kernel::alloc::{AllocError, Flags};
use logic::interrupted::Interrupted;

/// A queue in which tasks wait for a condition, and from which only a fatal signal takes them before it holds.
///
/// The kernel crate's condition variable has no such wait: it is either ended by every signal, or by none.
pub trait WaitQueue: Sized + Send + Sync {
    /// Creates an empty queue. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    fn new(flags: Flags) -> Result<Self, AllocError>;

    /// Returns when `is_over` returns true. It is called before the first sleep and after each [`Self::wake_all`]; a
    /// change that was made before `wake_all` is seen. `is_over` must not sleep. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`Interrupted`] if a fatal signal is pending and the condition does not hold.
    fn wait_killable(&self, is_over: impl Fn() -> bool) -> Result<(), Interrupted>;

    /// Makes all waiting tasks look at their condition. Does not sleep.
    fn wake_all(&self);
}
