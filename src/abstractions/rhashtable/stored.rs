// SPDX-License-Identifier: GPL-2.0-only

//! A hash table as the table of a store: blocks under their keys, visible to readers or not.

use super::keys::{Block, HashedKey, HashedKeys};
use super::{Removed, Table, Unlinked};
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use protocol::store::change::{EntryTable, Visible};

/// The table.
pub type StoredTable = Table<HashedKeys, Visible>;
/// A block that is in no table.
pub type UnlinkedBlock = Unlinked<HashedKeys, Visible>;

impl EntryTable for StoredTable {
    type Key<'k> = HashedKey<'k>;
    type Entry = Block;
    type Unlinked = UnlinkedBlock;
    type Removed = Removed<HashedKeys, Visible>;

    fn hash(key: HashedKey<'_>) -> u32 {
        key.hash()
    }

    fn find<'g>(&'g self, key: HashedKey<'_>, guard: &'g Guard) -> Option<(&'g Block, &'g Visible)> {
        Table::find(self, key, guard).map(|found| (found.key(), found.value()))
    }

    fn unlinked(entry: &UnlinkedBlock) -> (&Block, &Visible) {
        (entry.key(), entry.value())
    }

    fn size(entry: &Block) -> usize {
        entry.len()
    }

    fn link(&self, entry: UnlinkedBlock) -> Result<(), (Error, UnlinkedBlock)> {
        Table::link(self, entry)
    }

    fn replace(
        &self,
        key: HashedKey<'_>,
        entry: UnlinkedBlock,
    ) -> Result<Self::Removed, UnlinkedBlock> {
        Table::replace(self, key, entry)
    }

    fn remove(&self, key: HashedKey<'_>) -> Option<Self::Removed> {
        Table::remove(self, key)
    }

    fn free_later(removed: Self::Removed) {
        removed.free_later();
    }
}
