// SPDX-License-Identifier: GPL-2.0-only

//! The `mmap_lock` of an address space, held for writing.

use crate::mmap_lock::MmapRead;
use abstractions::bindings;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use kernel::mm::MmWithUser;
use logic::interrupted::Interrupted;

/// The `mmap_lock` of an address space, held for writing.
///
/// While it lives, nobody else holds the lock at all. That excludes one thing which a holder for reading does not:
/// `munmap(2)`, which takes its areas away under the lock for writing, but counts and frees their pages and page tables
/// after it has turned that into the lock for reading. Page faults that lock a single area go on.
///
/// # Invariants
///
/// The calling thread holds the lock for writing. The guard inside is never dropped.
#[must_use = "the lock is released when the guard is dropped"]
pub struct MmapWrite<'a>(ManuallyDrop<MmapRead<'a>>);

impl<'a> MmapWrite<'a> {
    /// Takes the lock. May sleep until it is free or a fatal signal comes.
    ///
    /// # Errors
    ///
    /// Returns [`Interrupted`] after a fatal signal.
    pub fn lock_killable(mm: &'a MmWithUser) -> Result<Self, Interrupted> {
        // SAFETY: The address space is alive, by the reference to it.
        if unsafe { bindings::abstractions_mmap_write_lock_killable(mm.as_raw()) } != 0 {
            return Err(Interrupted);
        }
        // INVARIANT: The lock was just taken, and the guard is inside a `ManuallyDrop`, which is not dropped.
        // SAFETY: What the lock for reading protects is protected by the lock for writing, too.
        Ok(Self(ManuallyDrop::new(unsafe { MmapRead::of_locked(mm) })))
    }
}

impl<'a> Deref for MmapWrite<'a> {
    type Target = MmapRead<'a>;

    fn deref(&self) -> &MmapRead<'a> {
        &self.0
    }
}

impl Drop for MmapWrite<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock for writing.
        unsafe { bindings::abstractions_mmap_write_unlock(self.as_raw()) };
    }
}
