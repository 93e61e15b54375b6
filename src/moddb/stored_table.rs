// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's hash table as the entry table of a store: blocks under their keys, visible to readers or not.

use abstractions_rhashtable::keys::{Block, HashedKey, HashedKeys};
use abstractions_rhashtable::walk::TableWalk;
use abstractions_rhashtable::{HashTable, Removed, Unlinked};
use kernel::alloc::Flags;
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use protocol::store::change::{EntryTable, Visible};

/// The entry table of a store.
pub(crate) struct StoredTable(HashTable<HashedKeys, Visible>);

/// A block that is not in the table yet.
pub(crate) type UnlinkedBlock = Unlinked<HashedKeys, Visible>;

/// A walk over the blocks of a table.
pub(crate) type StoredWalk = TableWalk<StoredTable, HashedKeys, Visible>;

impl StoredTable {
    /// Returns an empty table. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub(crate) fn new(flags: Flags) -> Result<Self> {
        Ok(Self(HashTable::new(0, flags)?))
    }
}

impl AsRef<HashTable<HashedKeys, Visible>> for StoredTable {
    fn as_ref(&self) -> &HashTable<HashedKeys, Visible> {
        &self.0
    }
}

impl EntryTable for StoredTable {
    type Key<'k> = HashedKey<'k>;
    type Entry = Block;
    type Unlinked = UnlinkedBlock;
    type Removed = Removed<HashedKeys, Visible>;

    fn hash(key: HashedKey<'_>) -> u32 {
        key.hash()
    }

    fn find<'g>(
        &'g self,
        key: HashedKey<'_>,
        guard: &'g Guard,
    ) -> Option<(&'g Block, &'g Visible)> {
        let found = self.0.find(key, guard)?;
        Some((found.key(), found.value()))
    }

    fn unlinked(entry: &UnlinkedBlock) -> (&Block, &Visible) {
        (entry.key(), entry.value())
    }

    fn size(entry: &Block) -> usize {
        entry.len()
    }

    fn link(&self, entry: UnlinkedBlock) -> Result<(), (Error, UnlinkedBlock)> {
        self.0
            .link(entry)
            .map_err(|failed| (failed.error, failed.value))
    }

    fn replace(
        &self,
        key: HashedKey<'_>,
        entry: UnlinkedBlock,
    ) -> Result<Self::Removed, UnlinkedBlock> {
        self.0.replace(key, entry)
    }

    fn remove(&self, key: HashedKey<'_>) -> Option<Self::Removed> {
        self.0.remove(key)
    }

    fn free_later(removed: Self::Removed) {
        removed.free_later();
    }
}
