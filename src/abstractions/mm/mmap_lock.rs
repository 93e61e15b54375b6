// SPDX-License-Identifier: GPL-2.0-only

//! The `mmap_lock` of an address space.

use abstractions::bindings;
use kernel::bindings::{mm_struct, mmap_read_trylock, mmap_read_unlock};
use kernel::mm::MmWithUser;
use kernel::types::NotThreadSafe;
use logic::interrupted::Interrupted;

/// The `mmap_lock` of an address space, held for reading.
///
/// While it lives, no area is mapped, unmapped, resized or changed; page faults go on. Page tables of mapped
/// areas are not freed, except those that RCU frees (see `abstractions_pages::page_walk`).
///
/// # Invariants
///
/// The calling thread holds the lock.
#[must_use = "the lock is released when the guard is dropped"]
pub struct MmapRead<'a> {
    mm: &'a MmWithUser,
    _not_send: NotThreadSafe,
}

impl<'a> MmapRead<'a> {
    /// Takes the lock. May sleep until it is free or a fatal signal comes.
    ///
    /// # Errors
    ///
    /// Returns [`Interrupted`] after a fatal signal.
    pub fn lock_killable(mm: &'a MmWithUser) -> Result<Self, Interrupted> {
        // SAFETY: The address space is alive, by the reference to it.
        if unsafe { bindings::abstractions_mmap_read_lock_killable(mm.as_raw()) } != 0 {
            return Err(Interrupted);
        }
        // INVARIANT: The lock was just taken.
        Ok(Self {
            mm,
            _not_send: NotThreadSafe,
        })
    }

    /// Returns a guard for a lock that is held already.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock, for reading or for writing. If it is for writing, the guard is never dropped.
    pub(crate) unsafe fn of_locked(mm: &'a MmWithUser) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            mm,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the lock if it is free. Does not sleep.
    pub fn try_lock(mm: &'a MmWithUser) -> Option<Self> {
        // SAFETY: The address space is alive, by the reference to it.
        if !unsafe { mmap_read_trylock(mm.as_raw()) } {
            return None;
        }
        // INVARIANT: The lock was just taken.
        Some(Self {
            mm,
            _not_send: NotThreadSafe,
        })
    }

    /// Returns the address space.
    #[inline]
    pub fn mm(&self) -> &'a MmWithUser {
        self.mm
    }

    /// Returns the address space as the C API wants it. It is alive while the guard lives.
    #[inline]
    pub fn as_raw(&self) -> *mut mm_struct {
        self.mm.as_raw()
    }
}

impl Drop for MmapRead<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock.
        unsafe { mmap_read_unlock(self.mm.as_raw()) };
    }
}
