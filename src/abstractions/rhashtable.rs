// SPDX-License-Identifier: GPL-2.0

//! The kernel's resizable hash table, read under RCU.
//!
//! C headers: `include/linux/rhashtable.h`, `include/linux/rhashtable-types.h`.

use crate::bindings;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr::{self, NonNull};
use kernel::alloc::Flags;
use kernel::bindings::{rhash_head, rhashtable, rhashtable_params};
use kernel::error::to_result;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use kernel::types::Opaque;
use protocol::rcu::{RcuBox, Retired};

/// A value under its key, as the C code sees it: objects start with their `rhash_head`.
#[repr(C)]
struct Entry<const KEY_LEN: usize, T> {
    head: UnsafeCell<rhash_head>,
    key: [u8; KEY_LEN],
    value: T,
}

// SAFETY: `head` is only touched by the C code, which locks or uses RCU.
unsafe impl<const KEY_LEN: usize, T: Send> Send for Entry<KEY_LEN, T> {}
// SAFETY: as above.
unsafe impl<const KEY_LEN: usize, T: Sync> Sync for Entry<KEY_LEN, T> {}

/// A hash table that owns its values, found by keys of `KEY_LEN` bytes.
///
/// # Invariants
///
/// `table` is initialized; each object in it is the value of an `RcuBox<Entry<KEY_LEN, T>>` that was
/// given up by `into_published`.
pub struct RhashTable<const KEY_LEN: usize, T: Send + Sync + 'static> {
    table: KBox<Opaque<rhashtable>>,
    _owns: core::marker::PhantomData<T>,
}

// SAFETY: the C code does its own locking; values are shared and sent as `T` allows.
unsafe impl<const KEY_LEN: usize, T: Send + Sync + 'static> Send for RhashTable<KEY_LEN, T> {}
// SAFETY: as above.
unsafe impl<const KEY_LEN: usize, T: Send + Sync + 'static> Sync for RhashTable<KEY_LEN, T> {}

impl<const KEY_LEN: usize, T: Send + Sync + 'static> RhashTable<KEY_LEN, T> {
    /// An empty table, sized for about `expected` values. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(expected: usize, flags: Flags) -> Result<Self> {
        const { assert!(KEY_LEN <= u16::MAX as usize) };
        let params = rhashtable_params {
            nelem_hint: expected.min(usize::from(u16::MAX)) as u16,
            key_len: KEY_LEN as u16,
            key_offset: offset_of!(Entry<KEY_LEN, T>, key) as u16,
            head_offset: offset_of!(Entry<KEY_LEN, T>, head) as u16,
            automatic_shrinking: true,
            ..Default::default()
        };
        let table = KBox::new(Opaque::uninit(), flags)?;
        // SAFETY: `table` has room for the structure and stays where it is, in its box; the offsets
        // are those of the objects that `insert` links.
        to_result(unsafe { bindings::abstractions_rhashtable_init(table.get(), &params) })?;
        // INVARIANT: initialized, no objects.
        Ok(Self {
            table,
            _owns: core::marker::PhantomData,
        })
    }

    /// Puts a value under a key. May sleep.
    ///
    /// # Errors
    ///
    /// EEXIST if there is one already, ENOMEM; the value is dropped, the table is as it was.
    pub fn insert(&self, key: [u8; KEY_LEN], value: T, flags: Flags) -> Result {
        let head = UnsafeCell::new(rhash_head::default());
        let entry = RcuBox::new(Entry { head, key, value }, flags)?.into_published();
        // SAFETY: the object is alive and in no table; on success the table owns it.
        let inserted = to_result(unsafe {
            bindings::abstractions_rhashtable_insert(self.table.get(), (*entry).head.get())
        });
        if inserted.is_err() {
            // SAFETY: not linked, so no reader has seen it.
            drop(unsafe { RcuBox::from_published(entry) });
        }
        inserted
    }

    /// The value under a key, for as long as the read-side lock is held. Does not sleep.
    pub fn get<'g>(&'g self, key: &[u8; KEY_LEN], _guard: &'g Guard) -> Option<&'g T> {
        let entry = self.find(key)?;
        // SAFETY: an object in the table is reclaimed a grace period after its removal, so not
        // before the guard is gone.
        Some(unsafe { &entry.as_ref().value })
    }

    /// Takes the value under a key out. Of several who try at once, one gets it.
    pub fn remove(&self, key: &[u8; KEY_LEN]) -> Option<Removed<KEY_LEN, T>> {
        let _guard = kernel::sync::rcu::read_lock();
        let entry = self.find(key)?;
        // SAFETY: alive under the read-side lock; if it is no longer in the table, the call fails.
        let removed = to_result(unsafe {
            bindings::abstractions_rhashtable_remove(self.table.get(), (*entry.as_ptr()).head.get())
        });
        removed.ok()?;
        // SAFETY: it was this call that unlinked it.
        Some(Removed(unsafe { Retired::from_published(entry.as_ptr()) }))
    }

    /// To be used under the RCU read-side lock only.
    fn find(&self, key: &[u8; KEY_LEN]) -> Option<NonNull<Entry<KEY_LEN, T>>> {
        // SAFETY: the table is initialized and its keys have this length.
        let entry = unsafe {
            bindings::abstractions_rhashtable_lookup(self.table.get(), key.as_ptr().cast())
        };
        NonNull::new(entry.cast())
    }
}

impl<const KEY_LEN: usize, T: Send + Sync + 'static> Drop for RhashTable<KEY_LEN, T> {
    /// Drops all values at once: who drops the table has made sure that no reader is left. May sleep.
    fn drop(&mut self) {
        // SAFETY: initialized, used by nobody else any more; the callback fits the objects in it.
        unsafe {
            bindings::rhashtable_free_and_destroy(
                self.table.get(),
                Some(free_entry::<KEY_LEN, T>),
                ptr::null_mut(),
            )
        };
    }
}

/// # Safety
///
/// `entry` is an object of a table of these types, and no reader is left.
unsafe extern "C" fn free_entry<const KEY_LEN: usize, T: Send + Sync + 'static>(
    entry: *mut c_void,
    _arg: *mut c_void,
) {
    // SAFETY: by this function's own requirement and the table's invariants.
    drop(unsafe { RcuBox::from_published(entry.cast::<Entry<KEY_LEN, T>>().cast_const()) });
}

/// A value taken out of its table, which readers may still see.
#[must_use = "dropping it waits for a grace period"]
pub struct Removed<const KEY_LEN: usize, T>(Retired<Entry<KEY_LEN, T>>);

impl<const KEY_LEN: usize, T: Send + Sync + 'static> Removed<KEY_LEN, T> {
    /// See [`Retired::free_later`].
    pub fn free_later(self) {
        self.0.free_later();
    }
}
