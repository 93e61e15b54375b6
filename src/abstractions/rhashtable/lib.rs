// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's resizable hash table, whose readers hold the RCU read-side lock only.
//!
//! - [`keys`]: keys of a fixed length, or of any length;
//! - [`walk`]: a walk over all values while the table changes.
//!
//! C headers: `include/linux/rhashtable.h`, `include/linux/rhashtable-types.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod keys;
pub mod walk;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use kernel::alloc::{AllocError, Flags};
use kernel::bindings::{rhash_head, rhashtable};
use kernel::error::to_result;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use kernel::types::Opaque;
use keys::{FixedKeys, Keys};
use protocol::rcu::{RcuBox, Retired};

/// A key and its value as the C code sees them: an object that begins with its `rhash_head`, followed by the key.
#[repr(C)]
struct TableObject<K: Keys, T> {
    head: UnsafeCell<rhash_head>,
    key: K::Stored,
    value: T,
}

// SAFETY: `head` is accessed by the C code only, which synchronizes by its own locks and RCU; key and value are
// `Send`.
unsafe impl<K: Keys, T: Send> Send for TableObject<K, T> {}
// SAFETY: `head` is accessed by the C code only, which synchronizes by its own locks and RCU; key and value are
// `Sync`.
unsafe impl<K: Keys, T: Sync> Sync for TableObject<K, T> {}

/// A hash table that owns its values.
///
/// Readers hold the RCU read-side lock and may run beside writers, which the table's own locks synchronize. A value
/// that is removed or replaced is freed after a grace period.
///
/// # Invariants
///
/// `table` was initialized by `K::init`; each object in it is the value of an `RcuBox<TableObject<K, T>>` on
/// which `into_published` was called, and belongs to the table.
pub struct HashTable<K: Keys, T: Send + Sync + 'static> {
    table: KBox<Opaque<rhashtable>>,
    _owns: core::marker::PhantomData<(fn() -> K, T)>,
}

/// A hash table whose keys all have `KEY_LEN` bytes.
pub type FixedKeyTable<const KEY_LEN: usize, T> = HashTable<FixedKeys<KEY_LEN>, T>;

// SAFETY: The C code does its own locking; the table owns its keys and values, which are `Send`.
unsafe impl<K: Keys, T: Send + Sync + 'static> Send for HashTable<K, T> {}
// SAFETY: The C code does its own locking, and keys and values are `Sync`.
unsafe impl<K: Keys, T: Send + Sync + 'static> Sync for HashTable<K, T> {}

/// A key and its value in a table, for as long as the RCU read-side lock is held by `'g`.
pub struct Found<'g, K: Keys, T> {
    entry: &'g TableObject<K, T>,
}

impl<'g, K: Keys, T> Found<'g, K, T> {
    /// Returns the key as it is stored.
    #[inline]
    pub fn key(&self) -> &'g K::Stored {
        &self.entry.key
    }

    /// Returns the value.
    #[inline]
    pub fn value(&self) -> &'g T {
        &self.entry.value
    }
}

impl<K: Keys, T: Send + Sync + 'static> HashTable<K, T> {
    /// Returns an empty table that is sized for about `expected` values. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub fn new(expected: usize, flags: Flags) -> Result<Self> {
        let table = KBox::new(Opaque::uninit(), flags)?;
        // SAFETY: `table` has room for the structure, which stays where it is, in its box.
        to_result(unsafe { K::init(table.get(), expected) })?;
        // INVARIANT: The table was just initialized and has no objects.
        Ok(Self {
            table,
            _owns: core::marker::PhantomData,
        })
    }

    /// Returns the table as the C API wants it.
    pub(crate) fn as_raw(&self) -> *mut rhashtable {
        self.table.get()
    }

    /// Inserts a value under a key. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns EEXIST if the key is in the table, ENOMEM if memory is exhausted. The value is dropped and the table
    /// is unchanged.
    pub fn insert(&self, key: K::Stored, value: T, flags: Flags) -> Result {
        self.link(Unlinked::new(key, value, flags)?)
            .map_err(|failed| failed.error)
    }

    /// Inserts a value that was allocated before. Does not sleep.
    ///
    /// # Errors
    ///
    /// Returns the value, with EEXIST if its key is in the table, or ENOMEM if the table would have to grow and
    /// memory is exhausted. The table is unchanged.
    pub fn link(&self, unlinked: Unlinked<K, T>) -> Result<(), LinkError<K, T>> {
        let entry = unlinked.0.into_published();
        // SAFETY: By the type invariants, the table is initialized. The object is alive and in no table.
        // INVARIANT: On success, the table owns the object.
        let inserted = to_result(unsafe { K::insert(self.table.get(), (*entry).head.get()) });
        inserted.map_err(|error| {
            LinkError {
                error,
                // SAFETY: The object was not linked, so no reader has seen it.
                value: Unlinked(unsafe { RcuBox::from_published(entry) }),
            }
        })
    }

    /// Returns the value of a key. Does not sleep.
    pub fn get<'g>(&'g self, key: K::Lookup<'_>, guard: &'g Guard) -> Option<&'g T> {
        self.find(key, guard).map(|found| found.value())
    }

    /// Returns a key, as it is stored, and its value. Does not sleep.
    pub fn find<'g>(&'g self, key: K::Lookup<'_>, _guard: &'g Guard) -> Option<Found<'g, K, T>> {
        let entry = self.entry(key)?;
        // SAFETY: An object of the table is freed a grace period after its removal, so not before the guard, which
        // was taken before the lookup, is dropped.
        let entry = unsafe { entry.as_ref() };
        Some(Found { entry })
    }

    /// Removes a key and its value. If several callers remove one key at once, one of them gets the value. Does not
    /// sleep.
    pub fn remove(&self, key: K::Lookup<'_>) -> Option<Removed<K, T>> {
        let _guard = kernel::sync::rcu::read_lock();
        let entry = self.entry(key)?;
        // SAFETY: By the type invariants, the table is initialized. The object is alive under the read-side lock; if
        // it is not in the table any more, the call fails.
        let removed = unsafe { K::remove(self.table.get(), (*entry.as_ptr()).head.get()) };
        to_result(removed).ok()?;
        // SAFETY: This call has unlinked the object, so no other retires it.
        Some(Removed(unsafe { Retired::from_published(entry.as_ptr()) }))
    }

    /// Replaces the value of `key` in one step: readers see the old value or the new one. Does not sleep.
    ///
    /// # Errors
    ///
    /// Returns the new value if the key is not in the table, or if the new value has another key.
    pub fn replace(
        &self,
        key: K::Lookup<'_>,
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
        // SAFETY: By the type invariants, the table is initialized. The old object is alive under the read-side lock,
        // and the call fails if it is not in the table any more. The new one is alive, in no table, and has
        // the same key.
        // INVARIANT: On success, the table owns the new object, and not the old one any more.
        let replaced = to_result(unsafe {
            K::replace(
                self.table.get(),
                (*old.as_ptr()).head.get(),
                (*new).head.get(),
            )
        });
        match replaced {
            // SAFETY: This call has unlinked the object, so no other retires it.
            Ok(()) => Ok(Removed(unsafe { Retired::from_published(old.as_ptr()) })),
            // SAFETY: The object was not linked, so no reader has seen it.
            Err(_) => Err(Unlinked(unsafe { RcuBox::from_published(new) })),
        }
    }

    /// Returns the object of a key. It may be dereferenced while the RCU read-side lock is held that was held during
    /// this call.
    fn entry(&self, key: K::Lookup<'_>) -> Option<NonNull<TableObject<K, T>>> {
        // SAFETY: By the type invariants, the table was initialized by `K::init`.
        let entry = unsafe { K::lookup(self.table.get(), key) };
        NonNull::new(entry.cast())
    }
}

impl<K: Keys, T: Send + Sync + 'static> Drop for HashTable<K, T> {
    /// Drops all values at once. May sleep.
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the table is initialized and owns its objects. The owner of the table drops it,
        // so no borrow of it is left, and readers' references are such borrows. The callback expects objects of
        // these types.
        unsafe {
            abstractions::bindings::rhashtable_free_and_destroy(
                self.table.get(),
                Some(free_entry::<K, T>),
                ptr::null_mut(),
            )
        };
    }
}

/// # Safety
///
/// `entry` is an object that a table of these types owns, and no reader is left.
unsafe extern "C" fn free_entry<K: Keys, T: Send + Sync + 'static>(
    entry: *mut c_void,
    _arg: *mut c_void,
) {
    // SAFETY: By the safety requirements of this function and the type invariants of the table, `into_published`
    // returned the object, which the table has owned until now.
    drop(unsafe { RcuBox::from_published(entry.cast::<TableObject<K, T>>().cast_const()) });
}

/// Why a value was not inserted, and the value.
pub struct LinkError<K: Keys, T> {
    /// EEXIST or ENOMEM.
    pub error: Error,
    /// The value, which the caller may use again.
    pub value: Unlinked<K, T>,
}

/// A key and its value that are in no table and that no reader has seen.
pub struct Unlinked<K: Keys, T>(RcuBox<TableObject<K, T>>);

impl<K: Keys, T> Unlinked<K, T> {
    /// Allocates an object for a key and its value. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(key: K::Stored, value: T, flags: Flags) -> Result<Self, AllocError> {
        let head = UnsafeCell::new(rhash_head::default());
        Ok(Self(RcuBox::new(TableObject { head, key, value }, flags)?))
    }

    /// Returns the key as it will be stored.
    pub fn key(&self) -> &K::Stored {
        &self.0.key
    }

    /// Returns the value.
    pub fn value(&self) -> &T {
        &self.0.value
    }
}

/// A key and its value that were removed from a table. Readers may still see them.
#[must_use = "dropping the value waits for a grace period"]
pub struct Removed<K: Keys, T>(Retired<TableObject<K, T>>);

impl<K: Keys, T> Removed<K, T> {
    /// Returns the key as it was stored.
    pub fn key(&self) -> &K::Stored {
        &self.0.key
    }
}

impl<K: Keys, T: Send + Sync + 'static> Removed<K, T> {
    /// Frees the object after a grace period. Does not sleep.
    pub fn free_later(self) {
        self.0.free_later();
    }
}
