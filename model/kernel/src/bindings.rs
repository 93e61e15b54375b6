// SPDX-License-Identifier: GPL-2.0-only

//! C functions and types, with the signatures that bindgen gives them.

#![expect(non_camel_case_types, reason = "C names")]

use crate::grace_period;

pub use crate::callback_head::callback_head;

/// C header: `include/linux/types.h`.
pub type rcu_callback_t = Option<unsafe extern "C" fn(head: *mut callback_head)>;

/// Runs `func` after a grace period. C header: `include/linux/rcupdate.h`.
///
/// # Safety
///
/// `head` stays valid and is not used for anything else until `func` runs.
///
/// # Panics
///
/// Without `func`.
pub unsafe fn call_rcu(head: *mut callback_head, func: rcu_callback_t) {
    let func = func.expect("call_rcu() needs a function");
    // SAFETY: By the safety requirements of this function.
    unsafe { grace_period::call(head, func) };
}

/// Waits until all callbacks that were registered before have run. C header: `include/linux/rcutree.h`.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe fn rcu_barrier() {
    grace_period::barrier();
}

/// Waits until all current readers have ended. C header: `include/linux/rcupdate.h`.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe fn synchronize_rcu() {
    grace_period::synchronize();
}

/// Returns the number of the next grace period; the stand-in does not count them. C header: `include/linux/rcutree.h`.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe fn get_state_synchronize_rcu() -> usize {
    0
}

/// Tells whether a grace period is known to be over; in the stand-in it never is. C header: `include/linux/rcutree.h`.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe fn poll_state_synchronize_rcu(_oldstate: usize) -> bool {
    false
}
