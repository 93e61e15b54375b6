// SPDX-License-Identifier: GPL-2.0-only

//! A queue of tasks that wait for a condition.
//!
//! C header: `include/linux/wait.h`.

use crate::current::fatal_signal_pending;
use abstractions::bindings;
use core::pin::Pin;
use kernel::alloc::{AllocError, Flags};
use kernel::bindings::{
    __wake_up, finish_wait, init_wait, prepare_to_wait, schedule_timeout, wait_queue_entry,
    wait_queue_head, TASK_WAKEKILL,
};
use kernel::prelude::*;
use kernel::task::{MAX_SCHEDULE_TIMEOUT, TASK_FREEZABLE, TASK_NORMAL, TASK_UNINTERRUPTIBLE};
use kernel::types::Opaque;
use logic::interrupted::Interrupted;
use protocol::wait_queue::WaitQueue;

/// The state of a waiting task: `TASK_KILLABLE`. It holds no lock, so it may be frozen.
const STATE: c_int = TASK_UNINTERRUPTIBLE | TASK_WAKEKILL as c_int | TASK_FREEZABLE;

/// A queue from which only a fatal signal takes the waiting tasks, as `wait_event_killable()` does.
pub struct KillableQueue(Pin<KBox<WaitQueueHead>>);

/// # Invariants
///
/// The head is initialized, and stays where it is.
#[pin_data]
struct WaitQueueHead {
    #[pin]
    head: Opaque<wait_queue_head>,
}

// SAFETY: A `wait_queue_head` has a lock of its own: any thread may use it and drop it.
unsafe impl Send for WaitQueueHead {}
// SAFETY: A `wait_queue_head` has a lock of its own: all functions may be called at the same time.
unsafe impl Sync for WaitQueueHead {}

impl KillableQueue {
    fn head(&self) -> *mut wait_queue_head {
        self.0.head.get()
    }
}

impl WaitQueue for KillableQueue {
    fn new(flags: Flags) -> Result<Self, AllocError> {
        // INVARIANT: The helper initializes the head, in memory that is pinned.
        let head = pin_init!(WaitQueueHead {
            head <- Opaque::ffi_init(|head| {
                // SAFETY: `head` points to memory for a head, which is not used yet.
                unsafe { bindings::abstractions_init_waitqueue_head(head) }
            }),
        });
        let head = KBox::pin_init(head, flags).map_err(|_| AllocError)?;
        Ok(Self(head))
    }

    fn wait_killable(&self, is_over: impl Fn() -> bool) -> Result<(), Interrupted> {
        let entry = Opaque::<wait_queue_entry>::uninit();
        // SAFETY: `entry` points to memory for an entry, which does not move until the end of this function.
        unsafe { init_wait(entry.get()) };
        let waited = loop {
            // SAFETY: By the type invariants, the head is initialized, and the entry was initialized above. The entry is
            // taken out of the queue below.
            unsafe { prepare_to_wait(self.head(), entry.get(), STATE) };
            if is_over() {
                break Ok(());
            }
            if fatal_signal_pending() {
                break Err(Interrupted);
            }
            // SAFETY: An FFI call with no additional requirements in a context that may sleep.
            unsafe { schedule_timeout(MAX_SCHEDULE_TIMEOUT) };
        };
        // SAFETY: The entry was put into this queue above.
        unsafe { finish_wait(self.head(), entry.get()) };
        waited
    }

    fn wake_all(&self) {
        // SAFETY: By the type invariants, the head is initialized.
        unsafe { __wake_up(self.head(), TASK_NORMAL, 0, core::ptr::null_mut()) };
    }
}
