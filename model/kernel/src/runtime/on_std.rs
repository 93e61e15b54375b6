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

/// Returns a small number that identifies the running thread.
pub(crate) fn current_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static THREAD: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    THREAD.with(|thread| *thread)
}

/// A lock without data.
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

/// An event that happens once and that one thread waits for.
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

/// The happens-before edges that RCU guarantees. The lock of [`Shared`] adds stronger ones.
#[derive(Clone, Default)]
pub(crate) struct ReaderEdges;

impl ReaderEdges {
    /// Returns the threads that must be asked one by one: one step, under the lock.
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

/// Does nothing: there are no checks in callbacks.
pub(crate) fn resume_failure() {}

/// Checks of heap blocks: none, since Miri and the sanitizers check them.
pub(crate) mod blocks {
    pub(crate) fn created(_address: usize, _bytes: usize) {}

    pub(crate) fn read(_address: usize) {}

    pub(crate) fn written(_address: usize) {}

    /// Tells whether the memory may be freed now.
    pub(crate) fn freed(_address: usize) -> bool {
        true
    }
}
