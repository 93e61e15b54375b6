// SPDX-License-Identifier: GPL-2.0-only

//! A limit on how often an event is reported.
//!
//! C header: `include/linux/ratelimit.h`.

use abstractions::bindings;
use core::pin::Pin;
use kernel::alloc::{AllocError, Flags};
use kernel::bindings::{___ratelimit, ratelimit_state};
use kernel::prelude::*;
use kernel::types::Opaque;

/// Lets through as many events as the kernel's default says (10 in 5 s), and counts the others.
pub struct RateLimit(Pin<KBox<State>>);

/// # Invariants
///
/// The state is initialized, and stays where it is.
#[pin_data]
struct State {
    #[pin]
    state: Opaque<ratelimit_state>,
}

// SAFETY: A `ratelimit_state` has a lock of its own: any thread may use it and drop it.
unsafe impl Send for State {}
// SAFETY: A `ratelimit_state` has a lock of its own: all functions may be called at the same time.
unsafe impl Sync for State {}

impl RateLimit {
    /// Creates a limit. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(flags: Flags) -> Result<Self, AllocError> {
        // INVARIANT: The helper initializes the state, in memory that is pinned.
        let state = pin_init!(State {
            state <- Opaque::ffi_init(|state| {
                // SAFETY: `state` points to memory for a state, which is not used yet.
                unsafe { bindings::abstractions_ratelimit_init(state) }
            }),
        });
        let state = KBox::pin_init(state, flags).map_err(|_| AllocError)?;
        Ok(Self(state))
    }

    /// Returns true if an event may be reported now; else it is counted. Does not sleep.
    pub fn admits(&self) -> bool {
        // SAFETY: By the type invariants, the state is initialized. The name is not used, since the helper has set the
        // flag that keeps the function from printing.
        unsafe { ___ratelimit(self.0.state.get(), c"".as_char_ptr()) != 0 }
    }

    /// Takes the number of events that were not reported since the last call. Does not sleep.
    pub fn take_left_out(&self) -> u32 {
        // SAFETY: By the type invariants, the state is initialized.
        unsafe { bindings::abstractions_ratelimit_reset_miss(self.0.state.get()) }
    }
}
