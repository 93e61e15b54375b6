// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for readers and for callbacks.
//!
//! C headers: `include/linux/rcupdate.h`, `include/linux/rcutree.h`.

use kernel::bindings;

/// Waits until all current readers have left their critical sections. May sleep.
pub fn synchronize() {
    // SAFETY: An FFI call that requires process context and no read-side critical section. A violation is a
    // deadlock or a warning, and does not violate memory safety.
    unsafe { bindings::synchronize_rcu() };
}

/// A grace period that begins after [`Self::next`] was called.
#[derive(Clone, Copy)]
pub struct GracePeriod(usize);

impl GracePeriod {
    /// Returns the next full grace period, without starting it. Does not sleep.
    pub fn next() -> Self {
        // SAFETY: An FFI call with no additional requirements.
        Self(unsafe { bindings::get_state_synchronize_rcu() })
    }

    /// Returns the number of the grace period, to be stored.
    pub fn into_raw(self) -> usize {
        self.0
    }

    /// Returns the grace period with a number from [`Self::into_raw`].
    pub fn from_raw(number: usize) -> Self {
        Self(number)
    }

    /// Waits until the grace period is over. May sleep.
    pub fn wait(self) {
        // SAFETY: An FFI call with no additional requirements.
        if !unsafe { bindings::poll_state_synchronize_rcu(self.0) } {
            synchronize();
        }
    }
}

/// Waits until every value that was passed to [`Retired::free_later`](super::Retired::free_later) has been dropped. May sleep.
pub fn barrier() {
    // SAFETY: An FFI call that requires process context. A violation is a warning, and does not violate
    // memory safety.
    // mutant: barrier
    unsafe { bindings::rcu_barrier() };
}
