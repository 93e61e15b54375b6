// SPDX-License-Identifier: GPL-2.0-only

//! One function on several CPUs while the caller waits, on the kernel's own workqueues.

use abstractions::bindings;
use core::mem::MaybeUninit;
use kernel::alloc::{Flags, KVVec};
use kernel::bindings::work_struct;

/// Returns the number of CPUs that are online now.
#[inline]
pub fn num_online_cpus() -> usize {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::abstractions_num_online_cpus() as usize }
}

/// One call of `body` on a workqueue thread.
///
/// # Invariants
///
/// From when the item is queued until `cancel_work_sync()` returns, it is not moved, and `body` is alive.
#[repr(C)]
struct WorkerItem<'a> {
    /// The first field, so that its address is that of the item.
    work: MaybeUninit<work_struct>,
    body: &'a (dyn Fn(usize) + Sync),
    number: usize,
}

/// The lockdep class of the work: work of one class must not wait for work of the same class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WorkClass {
    /// Work that only tasks wait for.
    TopLevel,
    /// Work that [`WorkClass::TopLevel`] work may wait for, too.
    Nested,
}

/// Runs `body(0)` on this thread and `body(1)` to `body(calls - 1)` on workqueue threads, and returns when all of
/// them have finished. Extra calls are dropped if memory for their work items is short, or if no worker has started
/// them when `body(0)` returns. May sleep.
pub fn run_on_workers(calls: usize, class: WorkClass, flags: Flags, body: &(dyn Fn(usize) + Sync)) {
    let mut items = KVVec::new();
    // If memory is short, the calling thread does all the work.
    let _ = items.reserve(calls.saturating_sub(1), flags);
    for number in 1..calls {
        let item = WorkerItem {
            work: MaybeUninit::uninit(),
            body,
            number,
        };
        if items.push_within_capacity(item).is_err() {
            break;
        }
    }
    for item in items.iter_mut() {
        // SAFETY: The field has room for a work item, which is queued once.
        // INVARIANT: `items` is not changed, and `body` is alive, until all items were cancelled below.
        unsafe {
            let work = item.work.as_mut_ptr();
            match class {
                WorkClass::TopLevel => bindings::abstractions_init_work(work, Some(run)),
                WorkClass::Nested => bindings::abstractions_init_nested_work(work, Some(run)),
            }
            bindings::abstractions_queue_unbound(work);
        }
    }
    body(0);
    for item in items.iter_mut() {
        // SAFETY: The work item was initialized above. The call takes it off the queue or waits until it has run.
        unsafe { bindings::cancel_work_sync(item.work.as_mut_ptr()) };
    }
}

/// # Safety
///
/// `work` is the first field of a [`WorkerItem`].
unsafe extern "C" fn run(work: *mut work_struct) {
    // SAFETY: By the safety requirements of this function, `work` points to an item, which is alive by its type
    // invariants. During the call, only the workqueue accesses it otherwise, and only its field `work`.
    let (body, number) = unsafe {
        let item = work.cast::<WorkerItem<'_>>();
        ((*item).body, (*item).number)
    };
    body(number);
}
