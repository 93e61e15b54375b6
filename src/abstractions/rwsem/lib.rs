// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's sleeping reader-writer lock.
//!
//! C header: `include/linux/rwsem.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

use abstractions::bindings;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use kernel::bindings::rw_semaphore;
use kernel::prelude::*;
use kernel::types::{NotThreadSafe, Opaque};

/// A value behind a `struct rw_semaphore`, which several readers or one writer may hold.
///
/// # Invariants
///
/// `sem` is initialized.
#[pin_data]
pub struct RwSemaphore<T> {
    #[pin]
    sem: Opaque<rw_semaphore>,
    value: UnsafeCell<T>,
}

// SAFETY: A semaphore that is not held may be moved to another thread, and the value may by `T: Send`.
unsafe impl<T: Send> Send for RwSemaphore<T> {}
// SAFETY: The semaphore ensures that readers on several threads share `&T`, which `T: Sync` allows, and that a
// writer has `&mut T` alone, which `T: Send` allows.
unsafe impl<T: Send + Sync> Sync for RwSemaphore<T> {}

impl<T> RwSemaphore<T> {
    /// Returns an initializer of a lock around `value`.
    pub fn new(value: T) -> impl PinInit<Self> {
        pin_init!(Self {
            sem <- Opaque::ffi_init(|sem| {
                // SAFETY: `sem` points to memory for a semaphore, which is pinned from now on.
                // INVARIANT: The semaphore is initialized here.
                unsafe { bindings::abstractions_init_rwsem(sem) }
            }),
            value: UnsafeCell::new(value),
        })
    }

    /// Takes the lock for reading. May sleep.
    pub fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: By the type invariants, the semaphore is initialized.
        unsafe { bindings::down_read(self.sem.get()) };
        // INVARIANT: The lock was just taken.
        ReadGuard(self, NotThreadSafe)
    }

    /// Takes the lock for writing. May sleep.
    pub fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: By the type invariants, the semaphore is initialized.
        unsafe { bindings::down_write(self.sem.get()) };
        // INVARIANT: The lock was just taken.
        WriteGuard(self, NotThreadSafe)
    }
}

/// Shared access to the value of a [`RwSemaphore`].
///
/// # Invariants
///
/// The calling thread holds the lock for reading.
#[must_use = "the lock is released when the guard is dropped"]
pub struct ReadGuard<'a, T>(&'a RwSemaphore<T>, NotThreadSafe);

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, the lock is held for reading, so no writer has it.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock.
        unsafe { bindings::up_read(self.0.sem.get()) };
    }
}

/// Exclusive access to the value of a [`RwSemaphore`].
///
/// # Invariants
///
/// The calling thread holds the lock for writing.
#[must_use = "the lock is released when the guard is dropped"]
pub struct WriteGuard<'a, T>(&'a RwSemaphore<T>, NotThreadSafe);

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants, the lock is held for writing, so no other thread has it.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants, the lock is held for writing, so no other thread has it.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock.
        unsafe { bindings::up_write(self.0.sem.get()) };
    }
}
