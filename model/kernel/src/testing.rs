// SPDX-License-Identifier: GPL-2.0-only

//! Controls for tests: failing allocations, signals, sleeping threads, executions.

use crate::alloc::AllocError;
use crate::runtime::{self, atomic, shared, Event};
use crate::sync::Sleeper;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

shared!(ALLOCATIONS_LEFT: BTreeMap<usize, usize>);

/// A guard: allocations of the thread succeed again when it is dropped.
#[must_use = "allocations fail only while it exists"]
pub struct FailingAllocations(usize);

/// Makes the allocations of the running thread fail after the next `count` of them.
pub fn fail_allocations_after(count: usize) -> FailingAllocations {
    let thread = runtime::current_thread();
    ALLOCATIONS_LEFT.with_borrow_mut(|left| left.insert(thread, count));
    FailingAllocations(thread)
}

impl Drop for FailingAllocations {
    fn drop(&mut self) {
        ALLOCATIONS_LEFT.with_borrow_mut(|left| left.remove(&self.0));
    }
}

pub(crate) fn take_allocation() -> Result<(), AllocError> {
    let thread = runtime::current_thread();
    ALLOCATIONS_LEFT.with_borrow_mut(|left| match left.get_mut(&thread) {
        Some(left) => {
            *left = left.checked_sub(1).ok_or(AllocError)?;
            Ok(())
        }
        None => Ok(()),
    })
}

/// Returns the number of RCU callbacks that have not returned. A module must not be unloaded before it is 0.
pub fn pending_rcu_callbacks() -> usize {
    crate::grace_period::pending()
}

#[derive(Default)]
struct Sleeping {
    count: usize,
    watchers: Vec<(usize, Event)>,
}

shared!(SLEEPING: Sleeping);

/// Waits until this many threads sleep on condition variables and were not woken.
pub fn wait_for_sleepers(count: usize) {
    let enough = Event::default();
    SLEEPING.with_borrow_mut(|sleeping| {
        if sleeping.count >= count {
            enough.set();
        } else {
            sleeping.watchers.push((count, enough.clone()));
        }
    });
    enough.wait();
}

pub(crate) fn falls_asleep() {
    SLEEPING.with_borrow_mut(|sleeping| {
        sleeping.count += 1;
        for (count, enough) in &sleeping.watchers {
            if sleeping.count >= *count {
                enough.set();
            }
        }
    });
}

pub(crate) fn is_woken() {
    SLEEPING.with_borrow_mut(|sleeping| sleeping.count -= 1);
}

/// A task, by which a test sends signals to a thread.
#[derive(Clone, Default)]
pub struct Task(Arc<TaskState>);

#[derive(Default)]
struct TaskState {
    /// 1 once a signal was sent.
    signalled: atomic::AtomicUsize,
    /// The interruptible sleep of the thread, if it sleeps.
    sleeper: Mutex<Option<Arc<Sleeper>>>,
}

shared!(TASKS: BTreeMap<usize, Task>);

impl Task {
    /// Makes this the task of the running thread, until the thread ends.
    pub fn enter(&self) {
        let thread = runtime::current_thread();
        TASKS.with_borrow_mut(|tasks| tasks.insert(thread, self.clone()));
    }

    /// Returns the running thread's task, if it entered one.
    pub(crate) fn current() -> Option<Self> {
        let thread = runtime::current_thread();
        TASKS.with_borrow_mut(|tasks| tasks.get(&thread).cloned())
    }

    /// Sends a signal, which stays pending.
    pub fn signal(&self) {
        self.0.signalled.swap(1, Ordering::AcqRel);
        self.wake();
    }

    /// Wakes the thread from an interruptible sleep without a signal, as the kernel may.
    pub fn wake(&self) {
        let sleeper = self.sleeper().take();
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// Tells whether a signal is pending.
    pub fn signal_pending(&self) -> bool {
        // A read-modify-write reads the latest value; a load might read an earlier one.
        self.0.signalled.fetch_add(0, Ordering::Relaxed) != 0
    }

    /// Lets a signal wake `sleeper`; wakes it at once if one is pending.
    pub(crate) fn interrupts(&self, sleeper: &Arc<Sleeper>) {
        if self.signal_pending() {
            sleeper.wake();
        } else {
            *self.sleeper() = Some(sleeper.clone());
        }
    }

    fn sleeper(&self) -> std::sync::MutexGuard<'_, Option<Arc<Sleeper>>> {
        self.0
            .sleeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub use crate::killable_queue::KillableQueue;
#[cfg(feature = "loom")]
pub use runtime::{spawn, Spawned};

/// Begins an execution of a loom model and resets the state of the previous one.
#[cfg(feature = "loom")]
pub fn start_execution() {
    runtime::start_execution();
    crate::grace_period::start_execution();
    ALLOCATIONS_LEFT.with_borrow_mut(BTreeMap::clear);
    TASKS.with_borrow_mut(BTreeMap::clear);
    SLEEPING.with_borrow_mut(|sleeping| *sleeping = Sleeping::default());
}

/// Ends an execution of a loom model.
///
/// # Panics
///
/// If memory was leaked or an RCU callback has not run.
#[cfg(feature = "loom")]
pub fn end_execution() {
    assert_eq!(pending_rcu_callbacks(), 0, "RCU callbacks that never ran");
    runtime::blocks::assert_none_left();
}
