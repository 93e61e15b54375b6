// SPDX-License-Identifier: GPL-2.0-only

//! Condition variables, as in the kernel's `rust/kernel/sync/condvar.rs`.

use super::lock::{Backend, Guard};
use crate::grace_period;
use crate::init::PinInit;
use crate::runtime::{atomic, Event};
use crate::testing::{self, Task};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Creates a condition variable initialiser. The name and the lock class are lockdep's.
#[macro_export]
macro_rules! new_condvar {
    ($($name:literal)? $(,)?) => {
        $crate::sync::CondVar::new()
    };
}

/// A thread that sleeps or is about to sleep.
#[derive(Default)]
pub(crate) struct Sleeper {
    is_awake: Mutex<bool>,
    awake: Event,
}

impl Sleeper {
    /// Wakes the thread. Returns false if it was awake already, as `try_to_wake_up()` does, so that a
    /// wake-up is not spent on a thread that a signal has woken.
    pub(crate) fn wake(&self) -> bool {
        let mut is_awake = self.is_awake.lock().unwrap_or_else(PoisonError::into_inner);
        let was_awake = std::mem::replace(&mut *is_awake, true);
        drop(is_awake);
        if !was_awake {
            testing::is_woken();
            self.awake.set();
        }
        !was_awake
    }

    /// Returns when the thread is woken.
    pub(crate) fn sleep(&self) {
        self.awake.wait();
    }
}

/// A condition variable: a queue of waiting threads.
///
/// `queue_lock` stands for the wait queue's spinlock: it orders the sleeping and the waking threads.
pub struct CondVar {
    queue_lock: atomic::AtomicUsize,
    queue: Mutex<Vec<Arc<Sleeper>>>,
}

impl CondVar {
    /// An initialiser; called by [`new_condvar`](crate::new_condvar).
    pub fn new() -> impl PinInit<Self> {
        Self {
            queue_lock: atomic::AtomicUsize::new(0),
            queue: Mutex::new(Vec::new()),
        }
    }

    /// Releases the lock and sleeps until notified; then takes the lock again.
    pub fn wait<T, B: Backend>(&self, guard: &mut Guard<'_, T, B>) {
        self.sleep(guard, None);
    }

    /// As [`Self::wait`], but also returns when a signal comes. Returns true if one is pending.
    #[must_use = "wait_interruptible returns if a signal is pending, so the caller must check the return value"]
    pub fn wait_interruptible<T, B: Backend>(&self, guard: &mut Guard<'_, T, B>) -> bool {
        let task = Task::current();
        self.sleep(guard, task.as_ref());
        task.is_some_and(|task| task.signal_pending())
    }

    /// Wakes one waiting thread, if there is one.
    pub fn notify_one(&self) {
        let mut queue = self.locked_queue();
        while !queue.is_empty() {
            // A thread that a signal has woken removes itself from the queue.
            if queue.remove(0).wake() {
                return;
            }
        }
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        for sleeper in self.locked_queue().drain(..) {
            sleeper.wake();
        }
    }

    fn sleep<T, B: Backend>(&self, guard: &mut Guard<'_, T, B>, task: Option<&Task>) {
        grace_period::assert_may_sleep("schedule()");
        let sleeper = Arc::new(Sleeper::default());
        self.locked_queue().push(sleeper.clone());
        testing::falls_asleep();
        guard.do_unlocked(|| {
            if let Some(task) = task {
                task.interrupts(&sleeper);
            }
            sleeper.sleep();
        });
        self.locked_queue()
            .retain(|other| !Arc::ptr_eq(other, &sleeper));
    }

    fn locked_queue(&self) -> MutexGuard<'_, Vec<Arc<Sleeper>>> {
        self.queue_lock.fetch_add(1, Ordering::AcqRel);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
