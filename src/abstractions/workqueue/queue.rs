// SPDX-License-Identifier: GPL-2.0-only

//! A workqueue whose work runs on any CPU.

use abstractions::bindings;
use kernel::bindings::{work_struct, workqueue_struct};
use kernel::prelude::*;

/// Who may set a workqueue's CPUs and priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tuning {
    /// The kernel alone.
    None,
    /// The administrator, too, by the files in `/sys/devices/virtual/workqueue/<name>` (WQ_SYSFS).
    Sysfs,
}

/// An unbound workqueue. When it is dropped, it waits until all its work is done.
///
/// # Invariants
///
/// `queue` is a workqueue that this value owns.
pub struct WorkQueue {
    queue: *mut workqueue_struct,
}

// SAFETY: Any thread may destroy a workqueue.
unsafe impl Send for WorkQueue {}
// SAFETY: All threads may queue work at once.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// Creates the workqueue. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub fn new(name: &'static CStr, tuning: Tuning) -> Result<Self> {
        let has_sysfs = tuning == Tuning::Sysfs;
        // SAFETY: `name` is a C string, which the call copies.
        let queue = unsafe { bindings::abstractions_alloc_unbound(name.as_char_ptr(), has_sysfs) };
        if queue.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: The workqueue was just created.
        Ok(Self { queue })
    }

    /// Queues a work item. Does not sleep.
    ///
    /// # Safety
    ///
    /// The item is initialized and not queued, and it stays where it is until its function was called.
    pub(crate) unsafe fn queue(&self, work: *mut work_struct) {
        // SAFETY: By the type invariants, the workqueue exists; the rest are the safety requirements of this function.
        unsafe { bindings::abstractions_queue_work(self.queue, work) };
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the workqueue. The call waits for all items.
        unsafe { bindings::destroy_workqueue(self.queue) };
    }
}
