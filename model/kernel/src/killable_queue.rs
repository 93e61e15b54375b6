// SPDX-License-Identifier: GPL-2.0-only

//! A queue of tasks that wait for a condition, as the kernel's `prepare_to_wait()` and `finish_wait()` make it.
//!
//! It has no counterpart in the kernel's crate: tests implement `protocol`'s `WaitQueue` with it. Each signal of a test
//! counts as a fatal one.

use crate::grace_period;
use crate::runtime::atomic;
use crate::sync::Sleeper;
use crate::testing::{self, Task};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The waiting tasks. `queue_lock` stands for the spinlock of the kernel's queue: it orders the sleeping and the
/// waking threads.
pub struct KillableQueue {
    queue_lock: atomic::AtomicUsize,
    queue: Mutex<Vec<Arc<Sleeper>>>,
}

impl Default for KillableQueue {
    fn default() -> Self {
        Self {
            queue_lock: atomic::AtomicUsize::new(0),
            queue: Mutex::new(Vec::new()),
        }
    }
}

impl KillableQueue {
    /// Returns true when `is_over` returns true, or false if a signal is pending and it does not.
    pub fn wait(&self, is_over: impl Fn() -> bool) -> bool {
        grace_period::assert_may_sleep("schedule()");
        let task = Task::current();
        loop {
            let sleeper = Arc::new(Sleeper::default());
            self.locked_queue().push(sleeper.clone());
            testing::falls_asleep();
            let over = is_over();
            let killed = task.as_ref().is_some_and(Task::signal_pending);
            if over || killed {
                sleeper.wake();
            } else {
                if let Some(task) = &task {
                    task.interrupts(&sleeper);
                }
                sleeper.sleep();
            }
            self.locked_queue()
                .retain(|other| !Arc::ptr_eq(other, &sleeper));
            if over || killed {
                return over;
            }
        }
    }

    /// Wakes all waiting threads.
    pub fn wake_all(&self) {
        for sleeper in self.locked_queue().iter() {
            sleeper.wake();
        }
    }

    fn locked_queue(&self) -> MutexGuard<'_, Vec<Arc<Sleeper>>> {
        self.queue_lock.fetch_add(1, Ordering::AcqRel);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
