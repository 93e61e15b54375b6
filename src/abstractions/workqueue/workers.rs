// SPDX-License-Identifier: GPL-2.0-only

//! One function on several CPUs while the caller waits.
//!
//! C headers: `include/linux/workqueue.h`, `include/linux/completion.h`.

use crate::queue::WorkQueue;
use abstractions::bindings;
use core::mem::MaybeUninit;
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::bindings::{completion, work_struct};
use kernel::types::Opaque;

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
/// From when the item is queued until `cancel_work_sync()` returns, it is not moved, and what it borrows is alive.
/// `returned` is initialized.
#[repr(C)]
struct WorkerItem<'a> {
    /// The first field, so that its address is that of the item.
    work: MaybeUninit<work_struct>,
    body: &'a (dyn Fn(usize) + Sync),
    number: usize,
    returned: &'a Opaque<completion>,
}

/// Runs `body(0)` to `body(calls - 1)` on threads of the workqueue, and returns when one of them has returned and none
/// is running any more: those that have not begun by then are dropped. A call returns when there is nothing left to do
/// for any.
///
/// The caller does no work itself, so it can be killed at any moment: `killed` is called then, once, and must have the
/// calls return soon. May sleep.
///
/// # Errors
///
/// Returns [`AllocError`] if memory is exhausted; nothing was called then.
pub fn run_on_workers(
    queue: &WorkQueue,
    calls: usize,
    flags: Flags,
    body: &(dyn Fn(usize) + Sync),
    killed: &dyn Fn(),
) -> Result<(), AllocError> {
    let returned = Opaque::uninit();
    // SAFETY: The completion has room, and stays where it is until this function returns.
    unsafe { kernel::bindings::init_completion(returned.get()) };
    let mut items = KVVec::with_capacity(calls, flags)?;
    for number in 0..calls {
        let item = WorkerItem {
            work: MaybeUninit::uninit(),
            body,
            number,
            returned: &returned,
        };
        items.push(item, flags)?;
    }
    for item in items.iter_mut() {
        // SAFETY: The field has room for a work item, which is queued once.
        // INVARIANT: `items` is not changed, and what they borrow is alive, until all were cancelled below.
        unsafe {
            let work = item.work.as_mut_ptr();
            bindings::abstractions_init_work(work, Some(run));
            queue.queue(work);
        }
    }
    // SAFETY: The completion was initialized above.
    if unsafe { kernel::bindings::wait_for_completion_killable(returned.get()) } != 0 {
        killed();
    }
    for item in items.iter_mut() {
        // SAFETY: The work item was initialized above. The call takes it off the queue or waits until it has run.
        unsafe { bindings::cancel_work_sync(item.work.as_mut_ptr()) };
    }
    Ok(())
}

/// # Safety
///
/// `work` is the first field of a [`WorkerItem`].
unsafe extern "C" fn run(work: *mut work_struct) {
    // SAFETY: By the safety requirements of this function, `work` points to an item, which is alive by its type
    // invariants. During the call, only the workqueue accesses it otherwise, and only its field `work`.
    let (body, number, returned) = unsafe {
        let item = work.cast::<WorkerItem<'_>>();
        ((*item).body, (*item).number, (*item).returned)
    };
    body(number);
    // SAFETY: By the type invariants, the completion is initialized, and alive until this function has returned.
    unsafe { kernel::bindings::complete_all(returned.get()) };
}
