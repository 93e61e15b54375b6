// SPDX-License-Identifier: GPL-2.0-only

//! Values that a workqueue thread drops, so that their owner need not wait: dropping a retired RCU value, for
//! example, waits for a grace period.

use crate::queue::{Tuning, WorkQueue};
use abstractions::bindings;
use core::mem::MaybeUninit;
use kernel::alloc::KBox;
use kernel::bindings::work_struct;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// How many values may wait at once. A caller with one more drops it itself.
const MAX_WAITING: usize = 8;

/// A workqueue that drops values. When it is dropped, it waits until all its values are.
pub struct Reclaimer {
    queue: WorkQueue,
    waiting: Arc<Atomic<usize>>,
}

/// A value that waits to be dropped.
#[repr(C)]
struct ReclaimItem<T> {
    /// The first field, so that its address is that of the item.
    work: MaybeUninit<work_struct>,
    value: T,
    waiting: Arc<Atomic<usize>>,
}

impl Reclaimer {
    /// Creates the workqueue. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub fn new(name: &'static CStr, flags: kernel::alloc::Flags) -> Result<Self> {
        Ok(Self {
            queue: WorkQueue::new(name, Tuning::None)?,
            waiting: Arc::new(Atomic::new(0), flags)?,
        })
    }

    /// Lets a workqueue thread drop `value`. If 8 values wait already, or memory is short, drops it here. May
    /// sleep.
    pub fn drop_later<T: Send + 'static>(&self, value: T) {
        if self.waiting.fetch_add(1, Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Relaxed);
            return;
        }
        let item = ReclaimItem {
            work: MaybeUninit::uninit(),
            value,
            waiting: self.waiting.clone(),
        };
        let Ok(item) = KBox::new(item, GFP_KERNEL) else {
            self.waiting.fetch_sub(1, Relaxed);
            return;
        };
        let item = KBox::into_raw(item);
        // SAFETY: The field has room for a work item. The box's memory stays where it is until `run` frees it.
        unsafe {
            let work = (*item).work.as_mut_ptr();
            bindings::abstractions_init_work(work, Some(run::<T>));
            self.queue.queue(work);
        }
    }
}

/// # Safety
///
/// `work` is the first field of a [`ReclaimItem<T>`] that came from a box and was queued.
unsafe extern "C" fn run<T>(work: *mut work_struct) {
    // SAFETY: By the safety requirements of this function, the item came from a box, and the workqueue does not
    // access an item any more once it has called its function.
    let item = unsafe { KBox::from_raw(work.cast::<ReclaimItem<T>>()) };
    let waiting = item.waiting.clone();
    drop(item);
    waiting.fetch_sub(1, Relaxed);
}
