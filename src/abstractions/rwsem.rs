// SPDX-License-Identifier: GPL-2.0-only

//! A lock that many hold for reading or one for writing, which the kernel's Rust crate lacks.
//!
//! C header: `include/linux/rwsem.h`.

use crate::bindings;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use kernel::bindings::rw_semaphore;
use kernel::prelude::*;
use kernel::types::{NotThreadSafe, Opaque};

/// A value behind a `struct rw_semaphore`.
#[pin_data]
pub struct RwSemaphore<T> {
    #[pin]
    sem: Opaque<rw_semaphore>,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves with its lock.
unsafe impl<T: Send> Send for RwSemaphore<T> {}
// SAFETY: readers share `&T`, a writer has `&mut T`, wherever they run.
unsafe impl<T: Send + Sync> Sync for RwSemaphore<T> {}

impl<T> RwSemaphore<T> {
    /// Initializes the lock around `value`.
    pub fn new(value: T) -> impl PinInit<Self> {
        pin_init!(Self {
            sem <- Opaque::ffi_init(|sem| {
                // SAFETY: `sem` is memory for a semaphore, pinned from now on.
                unsafe { bindings::abstractions_init_rwsem(sem) }
            }),
            value: UnsafeCell::new(value),
        })
    }

    /// Shares the value with other readers. May sleep.
    pub fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: initialized.
        unsafe { bindings::down_read(self.sem.get()) };
        // INVARIANT: just taken.
        ReadGuard(self, NotThreadSafe)
    }

    /// Has the value alone. May sleep.
    pub fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: initialized.
        unsafe { bindings::down_write(self.sem.get()) };
        // INVARIANT: just taken.
        WriteGuard(self, NotThreadSafe)
    }
}

/// The value, shared.
///
/// # Invariants
///
/// This thread holds the lock for reading.
pub struct ReadGuard<'a, T>(&'a RwSemaphore<T>, NotThreadSafe);

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariants nobody writes.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariants this thread holds it.
        unsafe { bindings::up_read(self.0.sem.get()) };
    }
}

/// The value, alone.
///
/// # Invariants
///
/// This thread holds the lock for writing.
pub struct WriteGuard<'a, T>(&'a RwSemaphore<T>, NotThreadSafe);

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariants nobody else has it.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the type's invariants nobody else has it.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariants this thread holds it.
        unsafe { bindings::up_write(self.0.sem.get()) };
    }
}
