// SPDX-License-Identifier: GPL-2.0-only

//! Drops what its owner need not wait for, such as a [`Retired`](protocol::rcu::Retired) value whose
//! readers have a grace period to end.
//!
//! C header: `include/linux/workqueue.h`.

use crate::bindings;
use core::mem::MaybeUninit;
use kernel::alloc::KBox;
use kernel::bindings::{work_struct, workqueue_struct};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// Values that may wait at once; whoever brings more drops his own.
const MAX_WAITING: usize = 8;

/// A workqueue of the module's own. Dropped, it waits for all that it was given.
///
/// # Invariants
///
/// Owns the workqueue.
pub struct Reclaimer {
    queue: *mut workqueue_struct,
    waiting: Arc<Atomic<usize>>,
}

// SAFETY: workqueues are made to be shared.
unsafe impl Send for Reclaimer {}
// SAFETY: as above.
unsafe impl Sync for Reclaimer {}

/// A value on its way.
#[repr(C)]
struct Item<T> {
    /// First, so that the callback finds the item by it.
    work: MaybeUninit<work_struct>,
    value: T,
    waiting: Arc<Atomic<usize>>,
}

impl Reclaimer {
    /// Makes the workqueue. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(name: &'static CStr, flags: kernel::alloc::Flags) -> Result<Self> {
        let waiting = Arc::new(Atomic::new(0), flags)?;
        // SAFETY: a C string.
        let queue = unsafe { bindings::abstractions_alloc_unbound(name.as_char_ptr()) };
        if queue.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: just made.
        Ok(Self { queue, waiting })
    }

    /// Has `value` dropped by a worker, or drops it here if many wait already or memory is short. May
    /// sleep.
    pub fn drop_later<T: Send + 'static>(&self, value: T) {
        if self.waiting.fetch_add(1, Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Relaxed);
            return;
        }
        let item = Item {
            work: MaybeUninit::uninit(),
            value,
            waiting: self.waiting.clone(),
        };
        let Ok(item) = KBox::new(item, GFP_KERNEL) else {
            self.waiting.fetch_sub(1, Relaxed);
            return;
        };
        let item = KBox::into_raw(item);
        // SAFETY: memory for a work item, which stays where it is until `run` frees it.
        unsafe {
            let work = (*item).work.as_mut_ptr();
            bindings::abstractions_init_work(work, Some(run::<T>));
            bindings::abstractions_queue_work(self.queue, work);
        }
    }
}

impl Drop for Reclaimer {
    fn drop(&mut self) {
        // SAFETY: by the type's invariants ours; waits for all items.
        unsafe { bindings::destroy_workqueue(self.queue) };
    }
}

/// # Safety
///
/// `work` is the first field of an [`Item<T>`] that was given up to the queue.
unsafe extern "C" fn run<T>(work: *mut work_struct) {
    // SAFETY: by this function's own requirement; the workqueue lets go of an item before it calls.
    let item = unsafe { KBox::from_raw(work.cast::<Item<T>>()) };
    let waiting = item.waiting.clone();
    drop(item);
    waiting.fetch_sub(1, Relaxed);
}
