// SPDX-License-Identifier: GPL-2.0-only

//! What a writer wants to be under a key, on what condition, and the table that it is done to.

use crate::rcu::Guard;
use kernel::alloc::AllocError;
use kernel::error::Error;
use kernel::sync::atomic::{Acquire, Atomic, Release};

/// Whether readers see what is under a key.
pub struct Visible(Atomic<bool>);

impl Visible {
    /// They do, from the moment that it is linked.
    pub fn when_linked() -> Self {
        Self(Atomic::new(true))
    }

    fn set(&self, visible: bool) {
        // Pairs with the acquire in `get`.
        self.0.store(visible, Release);
    }

    /// True if they do.
    pub fn get(&self) -> bool {
        self.0.load(Acquire)
    }
}

/// A table of entries that readers walk under RCU.
///
/// Changes to one key come one after the other, those to different keys at the same time. None of these
/// functions may sleep.
pub trait EntryTable: Send + Sync + Sized + 'static {
    /// A key to look for.
    type Key<'k>: Copy;
    /// A key and its value.
    type Entry: 'static;
    /// An entry that is in no table.
    type Unlinked;
    /// An entry that was taken out of its table, and that readers may still see.
    type Removed;

    /// The hash of a key, which says to which stripe it belongs.
    fn hash(key: Self::Key<'_>) -> u32;

    /// What is under a key.
    fn find<'g>(
        &'g self,
        key: Self::Key<'_>,
        guard: &'g Guard,
    ) -> Option<(&'g Self::Entry, &'g Visible)>;

    /// An entry of which nobody knows yet.
    fn unlinked(entry: &Self::Unlinked) -> (&Self::Entry, &Visible);

    /// Bytes of an entry that count.
    fn size(entry: &Self::Entry) -> usize;

    /// Links an entry whose key is not there.
    ///
    /// # Errors
    ///
    /// Gives it back.
    fn link(&self, entry: Self::Unlinked) -> Result<(), (Error, Self::Unlinked)>;

    /// Links an entry in the place of the one under the same key.
    ///
    /// # Errors
    ///
    /// Gives it back, if there is none.
    fn replace(
        &self,
        key: Self::Key<'_>,
        entry: Self::Unlinked,
    ) -> Result<Self::Removed, Self::Unlinked>;

    /// Unlinks what is under a key.
    fn remove(&self, key: Self::Key<'_>) -> Option<Self::Removed>;

    /// Has it freed after a grace period.
    fn free_later(removed: Self::Removed);
}

/// What a change asks of the entry that is there.
pub trait Condition<E> {
    /// Why a change was not made.
    type Refusal;

    /// Whether the change may be made to this entry, or to none.
    ///
    /// # Errors
    ///
    /// Why not. Then none of the batch is made.
    fn check(&self, current: Option<&E>) -> Result<(), Self::Refusal>;
}

/// One key's change.
pub struct Change<'k, T: EntryTable, C> {
    /// The key.
    pub key: T::Key<'k>,
    /// What must be there.
    pub condition: C,
    /// What will be under it, or none. Gone when it is linked.
    pub(crate) new_entry: Option<T::Unlinked>,
    /// Something is under the key, before the change.
    pub(crate) is_there: bool,
    /// What was there, to be freed.
    pub(crate) removed: Option<T::Removed>,
    /// The new key is linked, and hidden.
    is_linked: bool,
}

impl<'k, T: EntryTable, C> Change<'k, T, C> {
    /// Not made yet. Without `to`, the key is deleted.
    pub fn new(key: T::Key<'k>, new_entry: Option<T::Unlinked>, condition: C) -> Self {
        Self {
            key,
            condition,
            new_entry,
            is_there: false,
            removed: None,
            is_linked: false,
        }
    }

    /// For a change that deletes and was made: true if the key was there.
    pub fn was_there(&self) -> bool {
        self.is_there
    }

    /// Makes it, beside no others.
    pub(crate) fn make(&mut self, table: &T) -> Result<(), Error> {
        match (self.new_entry.take(), self.is_there) {
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

    /// Makes it, after [`Self::link_hidden`]. Cannot fail.
    pub(crate) fn make_linked(&mut self, table: &T, guard: &Guard) {
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
            // Does not happen: it was there, and only who has the stripe unlinks it.
            Err(entry) => self.new_entry = Some(entry),
        }
    }

    /// Links it, if it is a new key, where no reader sees it.
    pub(crate) fn link_hidden(&mut self, table: &T) -> Result<(), Error> {
        if self.is_there {
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

    /// Undoes it.
    pub(crate) fn unlink_hidden(&mut self, table: &T) {
        // mutant: unlink-hidden
        if self.is_linked {
            self.removed = table.remove(self.key);
            self.is_linked = false;
        }
    }
}

/// Why nothing of a batch was done.
#[derive(Debug, PartialEq, Eq)]
pub enum ApplyError<R> {
    /// By a change's condition: the index of the change, and why.
    Condition(usize, R),
    /// There would be more entries than there may be.
    TooManyEntries,
    /// There would be more bytes than there may be.
    TooManyBytes,
    /// The table could not take a key.
    Table(Error),
    /// No memory.
    NoMemory,
}

impl<R> From<AllocError> for ApplyError<R> {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}
