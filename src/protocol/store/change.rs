// SPDX-License-Identifier: GPL-2.0-only

//! Changes of keys and their conditions, and the table that they are applied to.

use crate::rcu::Guard;
use kernel::alloc::AllocError;
use kernel::error::Error;
use kernel::sync::atomic::{Acquire, Atomic, Release};

/// Whether readers see an entry. A hidden entry is linked in the table and skipped by readers.
pub struct Visible(Atomic<bool>);

impl Visible {
    /// The state of an entry that readers see from the moment it is linked.
    pub fn when_linked() -> Self {
        Self(Atomic::new(true))
    }

    fn set(&self, visible: bool) {
        // Pairs with the acquire in `get`.
        self.0.store(visible, Release);
    }

    /// Tells whether readers see the entry.
    pub fn get(&self) -> bool {
        self.0.load(Acquire)
    }
}

/// A table of entries that readers walk under RCU.
///
/// Changes of one key are serialized by the caller; changes of different keys may be concurrent. None of
/// the functions may sleep.
pub trait EntryTable: Send + Sync + Sized + 'static {
    /// A key, as a caller passes it.
    type Key<'k>: Copy;
    /// An entry: a key and its value.
    type Entry: 'static;
    /// An entry that is not in a table.
    type Unlinked;
    /// An entry that was unlinked from its table, and that readers may still see.
    type Removed;

    /// Returns the hash of a key, which selects its stripe.
    fn hash(key: Self::Key<'_>) -> u32;

    /// Returns the entry with this key, hidden or not.
    fn find<'g>(
        &'g self,
        key: Self::Key<'_>,
        guard: &'g Guard,
    ) -> Option<(&'g Self::Entry, &'g Visible)>;

    /// Returns the content of an entry that is not in a table.
    fn unlinked(entry: &Self::Unlinked) -> (&Self::Entry, &Visible);

    /// Returns the bytes of an entry that count towards the limits.
    fn size(entry: &Self::Entry) -> usize;

    /// Links an entry whose key is not in the table.
    ///
    /// # Errors
    ///
    /// Returns the error and the entry; the table is unchanged.
    fn link(&self, entry: Self::Unlinked) -> Result<(), (Error, Self::Unlinked)>;

    /// Links an entry in the place of the one with the same key, in one step, and returns the replaced
    /// one.
    ///
    /// # Errors
    ///
    /// Returns the new entry if no entry has this key; the table is unchanged.
    fn replace(
        &self,
        key: Self::Key<'_>,
        entry: Self::Unlinked,
    ) -> Result<Self::Removed, Self::Unlinked>;

    /// Unlinks the entry with this key and returns it.
    fn remove(&self, key: Self::Key<'_>) -> Option<Self::Removed>;

    /// Frees an unlinked entry after a grace period.
    fn free_later(removed: Self::Removed);
}

/// The condition of a change on the current entry.
pub trait Condition<E> {
    /// Why the condition is not met.
    type Refusal;

    /// Checks the condition on the current entry with the key of the change, or on its absence.
    ///
    /// # Errors
    ///
    /// Returns why the condition is not met. No change of the batch is then applied.
    fn check(&self, current: Option<&E>) -> Result<(), Self::Refusal>;
}

/// A change of one key: a new entry or a deletion, if a condition is met.
pub struct Change<'k, T: EntryTable, C> {
    /// The key that is changed.
    pub key: T::Key<'k>,
    /// The condition on the current entry.
    pub condition: C,
    /// The entry to be linked; `None` for a deletion, and after it was linked.
    pub(crate) new_entry: Option<T::Unlinked>,
    /// True if the key has an entry before the change.
    pub(crate) is_present: bool,
    /// The entry that was replaced or deleted, to be freed.
    pub(crate) removed: Option<T::Removed>,
    /// True while the new entry is linked and hidden.
    is_linked: bool,
}

impl<'k, T: EntryTable, C> Change<'k, T, C> {
    /// Creates a change that is not applied yet. Without a new entry, the key is deleted.
    pub fn new(key: T::Key<'k>, new_entry: Option<T::Unlinked>, condition: C) -> Self {
        Self {
            key,
            condition,
            new_entry,
            is_present: false,
            removed: None,
            is_linked: false,
        }
    }

    /// Tells whether the key had an entry before the change was applied.
    pub fn was_present(&self) -> bool {
        self.is_present
    }

    /// Applies the only change of a batch.
    pub(crate) fn apply(&mut self, table: &T) -> Result<(), Error> {
        match (self.new_entry.take(), self.is_present) {
            (Some(entry), false) => table.link(entry).map_err(|(error, entry)| {
                self.new_entry = Some(entry);
                error
            }),
            (Some(entry), true) => {
                self.replace(table, entry);
                Ok(())
            }
            (None, _) => {
                self.removed = table.remove(self.key);
                Ok(())
            }
        }
    }

    /// Applies the change after [`Self::link_hidden`] has succeeded for the whole batch. Cannot fail.
    pub(crate) fn apply_linked(&mut self, table: &T, guard: &Guard) {
        if self.is_linked {
            if let Some((_, visible)) = table.find(self.key, guard) {
                visible.set(true);
            }
        } else if let Some(entry) = self.new_entry.take() {
            self.replace(table, entry);
        } else {
            self.removed = table.remove(self.key);
        }
    }

    fn replace(&mut self, table: &T, entry: T::Unlinked) {
        match table.replace(self.key, entry) {
            Ok(removed) => self.removed = Some(removed),
            // Does not happen: the entry was found, and only the holder of the stripe unlinks it.
            Err(entry) => self.new_entry = Some(entry),
        }
    }

    /// Links a new key as a hidden entry.
    pub(crate) fn link_hidden(&mut self, table: &T) -> Result<(), Error> {
        if self.is_present {
            return Ok(());
        }
        let Some(entry) = self.new_entry.take() else {
            return Ok(());
        };
        // mutant: link-hidden
        T::unlinked(&entry).1.set(false);
        match table.link(entry) {
            Ok(()) => {
                self.is_linked = true;
                Ok(())
            }
            Err((error, entry)) => {
                self.new_entry = Some(entry);
                Err(error)
            }
        }
    }

    /// Undoes [`Self::link_hidden`].
    pub(crate) fn unlink_hidden(&mut self, table: &T) {
        // mutant: unlink-hidden
        if self.is_linked {
            self.removed = table.remove(self.key);
            self.is_linked = false;
        }
    }
}

/// Why no change of a batch was applied.
#[derive(Debug, PartialEq, Eq)]
pub enum ApplyError<R> {
    /// The condition of the change with this index is not met, for this reason.
    Condition(usize, R),
    /// The store would exceed its limit of entries.
    TooManyEntries,
    /// The store would exceed its limit of bytes.
    TooManyBytes,
    /// The table could not link an entry.
    Table(Error),
    /// Memory is exhausted.
    NoMemory,
}

impl<R> From<AllocError> for ApplyError<R> {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}
