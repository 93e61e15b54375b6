// SPDX-License-Identifier: GPL-2.0-only

//! A walk over a table while other threads change it.

use crate::keys::Keys;
use crate::{Found, HashTable, TableObject};
use abstractions::bindings::{
    rhashtable_walk_enter, rhashtable_walk_exit, rhashtable_walk_next, rhashtable_walk_peek,
    rhashtable_walk_start_check, rhashtable_walk_stop,
};
use core::marker::PhantomData;
use kernel::alloc::{AllocError, Flags};
use kernel::bindings::rhashtable_iter;
use kernel::error::from_err_ptr;
use kernel::prelude::*;
use kernel::sync::rcu::{read_lock, Guard};
use kernel::types::Opaque;
use protocol::rcu::RcuArc;

/// A position in a table. It keeps the table alive, and the walk can be interrupted and resumed.
///
/// A value that is in the table during the whole walk is visited at least once. It is visited again if the table is
/// resized, or if the value at the position is removed.
///
/// `A` is a value that has the table, such as the table itself.
///
/// # Invariants
///
/// `iter` was entered on the table that `_owner` returned, which is alive as long as `_owner`.
pub struct TableWalk<A: Send + Sync + 'static, K: Keys, T: Send + Sync + 'static> {
    iter: KBox<Opaque<rhashtable_iter>>,
    /// How often the table was found to be resized.
    resizes: u32,
    _owner: RcuArc<A>,
    _values: PhantomData<fn() -> (K, T)>,
}

// SAFETY: Between two calls, an iterator is not bound to a thread, and the owner of the table is `Send`.
unsafe impl<A: Send + Sync, K: Keys, T: Send + Sync> Send for TableWalk<A, K, T> {}

impl<A, K, T> TableWalk<A, K, T>
where
    A: AsRef<HashTable<K, T>> + Send + Sync + 'static,
    K: Keys,
    T: Send + Sync + 'static,
{
    /// Returns the beginning of the table that `owner` has. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(owner: RcuArc<A>, flags: Flags) -> Result<Self, AllocError> {
        let iter = KBox::new(Opaque::uninit(), flags)?;
        let table: &HashTable<K, T> = (*owner).as_ref();
        // SAFETY: The table is initialized. It is borrowed from `owner`, which is only shared from now on and is not
        // moved in memory, so the borrow is valid until `owner` is dropped, after the iterator. The iterator stays
        // where it is, in its box.
        unsafe { rhashtable_walk_enter(table.as_raw(), iter.get()) };
        // INVARIANT: The iterator was just entered.
        Ok(Self {
            iter,
            resizes: 0,
            _owner: owner,
            _values: PhantomData,
        })
    }

    /// Returns how often the walk started again because the table was resized. Values may have been visited before.
    pub fn resizes(&self) -> u32 {
        self.resizes
    }

    /// Calls `visit` with one value after the other until it returns false. Returns true if none is left. A value for
    /// which `visit` returned false is visited again by the next call. Under the RCU read-side lock: `visit` must
    /// not sleep.
    pub fn resume(&mut self, mut visit: impl FnMut(Found<'_, K, T>, &Guard) -> bool) -> bool {
        let iter = self.iter.get();
        let guard = read_lock();
        // SAFETY: By the type invariants, the iterator was entered. It is stopped below.
        let is_resized = unsafe { rhashtable_walk_start_check(iter) } != 0;
        self.resizes = self.resizes.wrapping_add(u32::from(is_resized));
        // SAFETY: Between start and stop, only this thread accesses the iterator.
        unsafe {
            if (*iter).p.is_null() {
                // The value at the position was removed, and others may have moved up in its chain.
                (*iter).skip = 0;
            }
        }
        // SAFETY: The iterator was started and is not stopped yet.
        let mut object = unsafe { rhashtable_walk_peek(iter) };
        let is_done = loop {
            match from_err_ptr(object) {
                // The table was resized; the walk starts again in the new one.
                Err(_) => self.resizes = self.resizes.wrapping_add(1),
                Ok(object) if object.is_null() => break true,
                Ok(object) => {
                    // SAFETY: By the type invariants of the table, this is one of its objects, and it is alive
                    // while the RCU read-side lock is held.
                    let entry = unsafe { &*object.cast::<TableObject<K, T>>() };
                    if !visit(Found { entry }, &guard) {
                        break false;
                    }
                }
            }
            // SAFETY: The iterator was started and is not stopped yet.
            object = unsafe { rhashtable_walk_next(iter) };
        };
        // SAFETY: The iterator was started above.
        unsafe { rhashtable_walk_stop(iter) };
        is_done
    }
}

impl<A, K, T> Drop for TableWalk<A, K, T>
where
    A: Send + Sync + 'static,
    K: Keys,
    T: Send + Sync + 'static,
{
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the iterator was entered, and the table is alive. It was stopped after each
        // start.
        unsafe { rhashtable_walk_exit(self.iter.get()) };
    }
}
