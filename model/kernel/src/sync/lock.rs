// SPDX-License-Identifier: GPL-2.0-only

//! Locks, as in the kernel's `rust/kernel/sync/lock.rs`.

use crate::error::Result;
use crate::grace_period;
use crate::init::PinInit;
use crate::runtime::{RawGuard, RawMutex};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Creates a mutex initialiser. The name and the lock class are lockdep's.
#[macro_export]
macro_rules! new_mutex {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::Mutex::new($inner)
    };
}

/// A kind of lock.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe trait Backend {}

/// `struct mutex`.
pub struct MutexBackend;

// SAFETY: nothing is required.
unsafe impl Backend for MutexBackend {}

/// Data under a lock.
pub struct Lock<T, B: Backend> {
    state: RawMutex,
    data: UnsafeCell<T>,
    _kind: PhantomData<B>,
}

/// A lock that sleeps.
pub type Mutex<T> = Lock<T, MutexBackend>;
/// Evidence that a [`Mutex`] is held.
pub type MutexGuard<'a, T> = Guard<'a, T, MutexBackend>;

// SAFETY: the lock hands `&mut T` from thread to thread.
unsafe impl<T: Send, B: Backend> Send for Lock<T, B> {}
// SAFETY: The lock gives `&mut T` to one thread at a time, so `T: Send` suffices.
unsafe impl<T: Send, B: Backend> Sync for Lock<T, B> {}

impl<T, B: Backend> Lock<T, B> {
    /// An initialiser; called by [`new_mutex`](crate::new_mutex).
    pub fn new(t: impl PinInit<T>) -> impl PinInit<Self> {
        struct New<I>(I);

        impl<T, B: Backend, I: PinInit<T>> PinInit<Lock<T, B>> for New<I> {
            fn make(self) -> Result<Lock<T, B>, std::convert::Infallible> {
                Ok(Lock {
                    state: RawMutex::default(),
                    data: UnsafeCell::new(self.0.make()?),
                    _kind: PhantomData,
                })
            }
        }

        New(t)
    }

    /// Waits for the lock. May sleep.
    pub fn lock(&self) -> Guard<'_, T, B> {
        grace_period::assert_may_sleep("mutex_lock()");
        Guard {
            lock: self,
            state: Some(self.state.lock()),
        }
    }

    /// Takes the lock if it is free. Does not sleep.
    pub fn try_lock(&self) -> Option<Guard<'_, T, B>> {
        let state = self.state.try_lock()?;
        Some(Guard {
            lock: self,
            state: Some(state),
        })
    }
}

/// A guard: evidence that a lock is held.
///
/// # Invariants
///
/// The lock is held unless [`Self::do_unlocked`] is running.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct Guard<'a, T, B: Backend> {
    lock: &'a Lock<T, B>,
    state: Option<RawGuard<'a>>,
}

// SAFETY: a shared guard gives `&T`.
unsafe impl<T: Sync, B: Backend> Sync for Guard<'_, T, B> {}

impl<'a, T, B: Backend> Guard<'a, T, B> {
    /// The lock that is held.
    pub fn lock_ref(&self) -> &'a Lock<T, B> {
        self.lock
    }

    pub(crate) fn do_unlocked(&mut self, sleep: impl FnOnce()) {
        self.state = None;
        sleep();
        self.state = Some(self.lock.state.lock());
    }
}

impl<T, B: Backend> Deref for Guard<'_, T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, the lock is held.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: Unpin, B: Backend> DerefMut for Guard<'_, T, B> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants, the lock is held.
        unsafe { &mut *self.lock.data.get() }
    }
}
