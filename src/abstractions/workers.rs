// SPDX-License-Identifier: GPL-2.0-only

//! Work that several CPUs do together while its owner waits, on the kernel's own workqueues.
//!
//! C header: `include/linux/workqueue.h`.

use crate::bindings;
use core::mem::MaybeUninit;
use kernel::alloc::{Flags, KVVec};
use kernel::bindings::work_struct;

/// CPUs that run at this moment.
pub fn num_online_cpus() -> usize {
    // SAFETY: no requirements.
    unsafe { bindings::abstractions_num_online_cpus() as usize }
}

/// One call of the body on a worker.
///
/// # Invariants
///
/// Queued items lie where they were initialized, and `body` lives, until `cancel_work_sync()`.
#[repr(C)]
struct Item<'a> {
    /// First, so that the callback finds the item by it.
    work: MaybeUninit<work_struct>,
    body: &'a (dyn Fn(usize) + Sync),
    number: usize,
}

/// Whether a worker may wait for others of the same kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Called by tasks.
    Outer,
    /// Called by what runs at [`Level::Outer`], too.
    Inner,
}

/// Calls `body(0)` here and, on workers, as many of `body(1)`, ... as there are in all `calls`; fewer
/// if memory for them is short or no worker gets to it before `body(0)` has returned. Returns once all
/// calls have. May sleep.
pub fn run_together(calls: usize, level: Level, flags: Flags, body: &(dyn Fn(usize) + Sync)) {
    let mut items = KVVec::new();
    // Without memory, the caller does it all.
    let _ = items.reserve(calls.saturating_sub(1), flags);
    for number in 1..calls {
        let item = Item {
            work: MaybeUninit::uninit(),
            body,
            number,
        };
        if items.push_within_capacity(item).is_err() {
            break;
        }
    }
    for item in items.iter_mut() {
        // SAFETY: memory for a work item; INVARIANT: `items` stays as it is until the end.
        unsafe {
            let work = item.work.as_mut_ptr();
            match level {
                Level::Outer => bindings::abstractions_init_work(work, Some(run)),
                Level::Inner => bindings::abstractions_init_inner_work(work, Some(run)),
            }
            bindings::abstractions_queue_unbound(work);
        }
    }
    body(0);
    for item in items.iter_mut() {
        // SAFETY: initialized above. Takes the item back, or waits until it has run.
        unsafe { bindings::cancel_work_sync(item.work.as_mut_ptr()) };
    }
}

/// # Safety
///
/// `work` is the first field of an [`Item`].
unsafe extern "C" fn run(work: *mut work_struct) {
    // SAFETY: by this function's own requirement. Beside this call only the workqueue touches the
    // item, and of it only `work`.
    let (body, number) = unsafe {
        let item = work.cast::<Item<'_>>();
        ((*item).body, (*item).number)
    };
    body(number);
}
