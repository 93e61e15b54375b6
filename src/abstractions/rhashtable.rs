// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's resizable hash table, read under RCU.
//!
//! - [`keys`]: keys of a fixed length, or of any length;
//! - [`stored`]: a table as the protocol of a store knows it;
//! - [`walk`]: all values, beside those who change the table.
//!
//! C headers: `include/linux/rhashtable.h`, `include/linux/rhashtable-types.h`.

pub mod keys;
pub mod stored;
pub mod walk;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use kernel::alloc::Flags;
use kernel::bindings::{rhash_head, rhashtable};
use kernel::error::to_result;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use kernel::types::Opaque;
use keys::{FixedKeys, Keys};
use protocol::rcu::{RcuBox, Retired};

/// A value under its key, as the C code sees it: objects start with their `rhash_head`, and the key
/// is next to it.
#[repr(C)]
struct Entry<K: Keys, T> {
    head: UnsafeCell<rhash_head>,
    key: K::Stored,
    value: T,
}

// SAFETY: `head` is only touched by the C code, which locks or uses RCU.
unsafe impl<K: Keys, T: Send> Send for Entry<K, T> {}
// SAFETY: as above.
unsafe impl<K: Keys, T: Sync> Sync for Entry<K, T> {}

/// A hash table that owns its values.
///
/// # Invariants
///
/// `table` was initialized by `K::init`; each object in it is the value of an `RcuBox<Entry<K, T>>` that
/// was given up by `into_published`.
pub struct Table<K: Keys, T: Send + Sync + 'static> {
    table: KBox<Opaque<rhashtable>>,
    _owns: core::marker::PhantomData<(fn() -> K, T)>,
}

/// A hash table whose keys all have `KEY_LEN` bytes.
pub type RhashTable<const KEY_LEN: usize, T> = Table<FixedKeys<KEY_LEN>, T>;

// SAFETY: the C code does its own locking; keys and values are shared and sent as their types allow.
unsafe impl<K: Keys, T: Send + Sync + 'static> Send for Table<K, T> {}
// SAFETY: as above.
unsafe impl<K: Keys, T: Send + Sync + 'static> Sync for Table<K, T> {}

/// What a reader finds, for as long as the read-side lock `'g` is held.
pub struct Found<'g, K: Keys, T> {
    entry: &'g Entry<K, T>,
}

impl<'g, K: Keys, T> Found<'g, K, T> {
    /// The key, as it is stored.
    pub fn key(&self) -> &'g K::Stored {
        &self.entry.key
    }

    /// The value.
    pub fn value(&self) -> &'g T {
        &self.entry.value
    }
}

impl<K: Keys, T: Send + Sync + 'static> Table<K, T> {
    /// An empty table, sized for about `expected` values. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(expected: usize, flags: Flags) -> Result<Self> {
        let table = KBox::new(Opaque::uninit(), flags)?;
        // SAFETY: `table` has room for the structure and stays where it is, in its box.
        to_result(unsafe { K::init(table.get(), expected) })?;
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
    pub fn insert(&self, key: K::Stored, value: T, flags: Flags) -> Result {
        self.link(Unlinked::new(key, value, flags)?)
            .map_err(|(error, _)| error)
    }

    /// Puts a value into the table. Does not sleep.
    ///
    /// # Errors
    ///
    /// EEXIST if there is one of its key already, ENOMEM if the table would have to grow; the value
    /// comes back, the table is as it was.
    pub fn link(&self, unlinked: Unlinked<K, T>) -> Result<(), (Error, Unlinked<K, T>)> {
        let entry = unlinked.0.into_published();
        // SAFETY: the object is alive and in no table; on success the table owns it.
        let inserted = to_result(unsafe { K::insert(self.table.get(), (*entry).head.get()) });
        inserted.map_err(|error| {
            // SAFETY: not linked, so no reader has seen it.
            (error, Unlinked(unsafe { RcuBox::from_published(entry) }))
        })
    }

    /// The value under a key, for as long as the read-side lock is held. Does not sleep.
    pub fn get<'g>(&'g self, key: K::Wanted<'_>, guard: &'g Guard) -> Option<&'g T> {
        self.find(key, guard).map(|found| found.value())
    }

    /// What is under a key, for as long as the read-side lock is held. Does not sleep.
    pub fn find<'g>(&'g self, key: K::Wanted<'_>, _guard: &'g Guard) -> Option<Found<'g, K, T>> {
        let entry = self.entry(key)?;
        // SAFETY: an object in the table is reclaimed a grace period after its removal, so not
        // before the guard is gone.
        let entry = unsafe { entry.as_ref() };
        Some(Found { entry })
    }

    /// Takes the value under a key out. Of several who try at once, one gets it.
    pub fn remove(&self, key: K::Wanted<'_>) -> Option<Removed<K, T>> {
        let _guard = kernel::sync::rcu::read_lock();
        let entry = self.entry(key)?;
        // SAFETY: alive under the read-side lock; if it is no longer in the table, the call fails.
        let removed = unsafe { K::remove(self.table.get(), (*entry.as_ptr()).head.get()) };
        to_result(removed).ok()?;
        // SAFETY: it was this call that unlinked it.
        Some(Removed(unsafe { Retired::from_published(entry.as_ptr()) }))
    }

    /// Puts a value in the place of the one under `key`, in one step: readers see one or the other.
    /// Does not sleep.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is none to be replaced, or if its key is another.
    pub fn replace(
        &self,
        key: K::Wanted<'_>,
        unlinked: Unlinked<K, T>,
    ) -> Result<Removed<K, T>, Unlinked<K, T>> {
        if !K::is_same(key, &unlinked.0.key) {
            return Err(unlinked);
        }
        let _guard = kernel::sync::rcu::read_lock();
        let Some(old) = self.entry(key) else {
            return Err(unlinked);
        };
        let new = unlinked.0.into_published();
        // SAFETY: the old object is alive under the read-side lock, and the call fails if it is no
        // longer in the table; the new one is alive, in no table, and has the same key.
        let replaced = to_result(unsafe {
            K::replace(
                self.table.get(),
                (*old.as_ptr()).head.get(),
                (*new).head.get(),
            )
        });
        match replaced {
            // SAFETY: it was this call that unlinked it.
            Ok(()) => Ok(Removed(unsafe { Retired::from_published(old.as_ptr()) })),
            // SAFETY: not linked, so no reader has seen it.
            Err(_) => Err(Unlinked(unsafe { RcuBox::from_published(new) })),
        }
    }

    /// To be used under the RCU read-side lock only.
    fn entry(&self, key: K::Wanted<'_>) -> Option<NonNull<Entry<K, T>>> {
        // SAFETY: the table was initialized for these keys.
        let entry = unsafe { K::lookup(self.table.get(), key) };
        NonNull::new(entry.cast())
    }
}

impl<K: Keys, T: Send + Sync + 'static> Drop for Table<K, T> {
    /// Drops all values at once: who drops the table has made sure that no reader is left. May sleep.
    fn drop(&mut self) {
        // SAFETY: initialized, used by nobody else any more; the callback fits the objects in it.
        unsafe {
            crate::bindings::rhashtable_free_and_destroy(
                self.table.get(),
                Some(free_entry::<K, T>),
                ptr::null_mut(),
            )
        };
    }
}

/// # Safety
///
/// `entry` is an object of a table of these types, and no reader is left.
unsafe extern "C" fn free_entry<K: Keys, T: Send + Sync + 'static>(
    entry: *mut c_void,
    _arg: *mut c_void,
) {
    // SAFETY: by this function's own requirement and the table's invariants.
    drop(unsafe { RcuBox::from_published(entry.cast::<Entry<K, T>>().cast_const()) });
}

/// A value that is in no table and that no reader has seen.
pub struct Unlinked<K: Keys, T>(RcuBox<Entry<K, T>>);

impl<K: Keys, T> Unlinked<K, T> {
    /// Allocates room for a value and its key. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(key: K::Stored, value: T, flags: Flags) -> Result<Self> {
        let head = UnsafeCell::new(rhash_head::default());
        Ok(Self(RcuBox::new(Entry { head, key, value }, flags)?))
    }

    /// The key, as it will be stored.
    pub fn key(&self) -> &K::Stored {
        &self.0.key
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.0.value
    }
}

/// A value taken out of its table, which readers may still see.
#[must_use = "dropping it waits for a grace period"]
pub struct Removed<K: Keys, T>(Retired<Entry<K, T>>);

impl<K: Keys, T> Removed<K, T> {
    /// The key, as it was stored.
    pub fn key(&self) -> &K::Stored {
        &self.0.key
    }
}

impl<K: Keys, T: Send + Sync + 'static> Removed<K, T> {
    /// See [`Retired::free_later`].
    pub fn free_later(self) {
        self.0.free_later();
    }
}
