// SPDX-License-Identifier: GPL-2.0-only

//! A walk over a table that others change meanwhile.

use super::{Entry, Found, Table};
use crate::bindings::{
    rhashtable_walk_enter, rhashtable_walk_exit, rhashtable_walk_next, rhashtable_walk_peek,
    rhashtable_walk_start_check, rhashtable_walk_stop,
};
use crate::rhashtable::keys::Keys;
use kernel::alloc::Flags;
use kernel::bindings::rhashtable_iter;
use kernel::error::from_err_ptr;
use kernel::prelude::*;
use kernel::sync::rcu::{read_lock, Guard};
use kernel::types::Opaque;
use protocol::rcu::RcuArc;

/// A place in a table. It keeps the table, and may be left and come back to.
///
/// A value that is in the table from the walk's begin to its end is met at least once; it is met again
/// if the table was resized, or if what the walk stood at was removed.
///
/// # Invariants
///
/// `iter` was entered on the table behind `_table`.
pub struct Walk<K: Keys, T: Send + Sync + 'static> {
    iter: KBox<Opaque<rhashtable_iter>>,
    /// How often the table was found to be another one.
    resizes: u32,
    _table: RcuArc<Table<K, T>>,
}

// SAFETY: an iterator is bound to no thread.
unsafe impl<K: Keys, T: Send + Sync + 'static> Send for Walk<K, T> {}

impl<K: Keys, T: Send + Sync + 'static> Walk<K, T> {
    /// At the beginning. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(table: RcuArc<Table<K, T>>, flags: Flags) -> Result<Self> {
        let iter = KBox::new(Opaque::uninit(), flags)?;
        // SAFETY: the table is initialized and outlives the iterator, which stays where it is.
        unsafe { rhashtable_walk_enter(table.table.get(), iter.get()) };
        // INVARIANT: just entered.
        Ok(Self {
            iter,
            resizes: 0,
            _table: table,
        })
    }

    /// How often the walk began anew because the table was resized: values may have been met before.
    pub fn resizes(&self) -> u32 {
        self.resizes
    }

    /// Calls `visit` for one value after the other until it returns false, or until there is none left:
    /// then the result is true. A value for which it returned false is met again by the next call. Under
    /// the RCU read-side lock: `visit` must not sleep.
    pub fn go_on(&mut self, mut visit: impl FnMut(Found<'_, K, T>, &Guard) -> bool) -> bool {
        let iter = self.iter.get();
        let guard = read_lock();
        // SAFETY: entered, and stopped below.
        let is_resized = unsafe { rhashtable_walk_start_check(iter) } != 0;
        self.resizes = self.resizes.wrapping_add(u32::from(is_resized));
        // SAFETY: between start and stop the iterator is this thread's.
        unsafe {
            if (*iter).p.is_null() {
                // What it stood at is gone, and others may have moved up in its chain.
                (*iter).skip = 0;
            }
        }
        // SAFETY: between start and stop.
        let mut object = unsafe { rhashtable_walk_peek(iter) };
        let is_done = loop {
            match from_err_ptr(object) {
                // The walk goes on in the new table.
                Err(_) => self.resizes = self.resizes.wrapping_add(1),
                Ok(object) if object.is_null() => break true,
                Ok(object) => {
                    // SAFETY: an object of the table, alive under the read-side lock.
                    let entry = unsafe { &*object.cast::<Entry<K, T>>() };
                    if !visit(Found { entry }, &guard) {
                        break false;
                    }
                }
            }
            // SAFETY: between start and stop.
            object = unsafe { rhashtable_walk_next(iter) };
        };
        // SAFETY: started above.
        unsafe { rhashtable_walk_stop(iter) };
        is_done
    }
}

impl<K: Keys, T: Send + Sync + 'static> Drop for Walk<K, T> {
    fn drop(&mut self) {
        // SAFETY: entered, and stopped after each start; the table is still there.
        unsafe { rhashtable_walk_exit(self.iter.get()) };
    }
}
