// SPDX-License-Identifier: GPL-2.0-only

//! RCU callbacks at the end of a module's life.
//!
//! C header: `include/linux/rcupdate.h`.

/// Waits, when it is dropped, for all RCU callbacks that are pending (`rcu_barrier()`).
///
/// A module that uses `call_rcu()` has one as its last field, so that its code is not unloaded before its
/// callbacks have run. Its drop may sleep.
#[must_use = "the barrier is executed when the value is dropped"]
pub struct BarrierOnDrop;

impl Drop for BarrierOnDrop {
    fn drop(&mut self) {
        protocol::rcu::barrier();
    }
}
