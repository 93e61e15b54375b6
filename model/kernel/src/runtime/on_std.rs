// SPDX-License-Identifier: GPL-2.0-only

//! Real threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use std::sync::atomic;

/// The model's own bookkeeping.
pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Declares bookkeeping that all threads share.
macro_rules! shared {
    ($name:ident: $type:ty) => {
        static $name: std::sync::LazyLock<$crate::runtime::Shared<$type>> =
            std::sync::LazyLock::new(|| $crate::runtime::Shared::new(<$type>::default()));
    };
}
pub(crate) use shared;

/// A small number that tells the running thread from all others.
pub(crate) fn current_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static THREAD: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    THREAD.with(|thread| *thread)
}

/// Mutual exclusion.
#[derive(Default)]
pub(crate) struct RawMutex(Mutex<()>);

pub(crate) type RawGuard<'a> = MutexGuard<'a, ()>;

impl RawMutex {
    pub(crate) fn lock(&self) -> RawGuard<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn try_lock(&self) -> Option<RawGuard<'_>> {
        self.0.try_lock().ok()
    }
}

/// Something that happens once, and that one thread waits for.
#[derive(Clone, Default)]
pub(crate) struct Event(Arc<(Mutex<bool>, Condvar)>);

impl Event {
    pub(crate) fn set(&self) {
        let (happened, changed) = &*self.0;
        *happened.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    pub(crate) fn wait(&self) {
        let (happened, changed) = &*self.0;
        let guard = happened.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(guard, |happened| !*happened));
    }
}

/// The orderings that RCU gives. The lock of [`Shared`] gives more.
#[derive(Clone, Default)]
pub(crate) struct ReaderEdges;

impl ReaderEdges {
    /// Threads whose readers must be asked one by one: the lock makes that one step.
    pub(crate) fn threads(&self) -> std::ops::Range<usize> {
        0..1
    }

    pub(crate) fn is_asked(asked: usize, _thread: usize) -> bool {
        asked == 0
    }

    pub(crate) fn reader_begins(&self, _thread: usize) {}

    pub(crate) fn reader_ends(&self, _thread: usize) {}

    pub(crate) fn ask(&self, _thread: usize) {}

    pub(crate) fn has_ended(&self, _thread: usize) {}
}

/// Panics if a check failed in a callback: there are none.
pub(crate) fn resume_failure() {}

/// What a heap block is checked for: nothing here, see Miri and the sanitizers.
pub(crate) mod blocks {
    pub(crate) fn created(_address: usize, _bytes: usize) {}

    pub(crate) fn read(_address: usize) {}

    pub(crate) fn written(_address: usize) {}

    /// True if the memory may be given back now.
    pub(crate) fn freed(_address: usize) -> bool {
        true
    }
}
