// SPDX-License-Identifier: GPL-2.0-only

//! The result of one scan.

use abstractions::memory::GFP_KERNEL_NO_OOM;
use abstractions::sort::sort_by_key;
use abstractions_rhashtable::FixedKeyTable;
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use logic::comm::{Comm, TASK_COMM_LEN};
use logic::text::Print;
use logic_memory_info::counts::Counts;
use logic_memory_info::report::SetLine;
use protocol::database::Groups;

/// The processes of one name. A group does not change.
pub(crate) struct Group {
    pub(crate) counts: Counts,
    /// Ids of the thread groups, ascending.
    pub(crate) pids: KVVec<u32>,
}

impl Group {
    /// Returns the lowest pid of the group.
    pub(crate) fn lowest_pid(&self) -> u32 {
        self.pids.first().copied().unwrap_or(u32::MAX)
    }

    /// Returns the group as a line of output, which can be printed.
    pub(crate) fn as_set<'a>(&'a self, comm: &'a Comm) -> SetLine<'a> {
        SetLine {
            comm,
            counts: &self.counts,
            pids: &self.pids,
        }
    }
}

/// Groups with their names, in any order.
pub(crate) type NamedGroups = KVVec<(Comm, Group)>;

/// The groups of one scan without those that DEL has removed since.
pub(crate) struct Snapshot {
    groups: FixedKeyTable<TASK_COMM_LEN, Group>,
    /// Names of all groups of the scan, in the order of their lowest pids.
    order: KVVec<Comm>,
    /// Length in bytes of the lines of all groups, so that ALL need not print them twice.
    printed_len: usize,
}

impl Snapshot {
    /// Creates a snapshot of the groups that a scan found. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted, and EEXIST if two groups have the same name.
    pub(crate) fn new(mut found: NamedGroups) -> Result<Self> {
        sort_by_key(&mut found, |(_, group)| group.lowest_pid());
        let groups = FixedKeyTable::new(found.len(), GFP_KERNEL_NO_OOM)?;
        let mut order = KVVec::with_capacity(found.len(), GFP_KERNEL_NO_OOM)?;
        let mut printed_len = 0;
        for (comm, group) in found {
            printed_len += group.as_set(&comm).printed_len();
            order.push(comm, GFP_KERNEL_NO_OOM)?;
            groups.insert(*comm.as_field(), group, GFP_KERNEL_NO_OOM)?;
        }
        Ok(Self {
            groups,
            order,
            printed_len,
        })
    }

    /// Returns the names in the order of output. A group may have been removed since.
    pub(crate) fn order(&self) -> &[Comm] {
        &self.order
    }

    /// Returns the length in bytes of the lines of all groups, those that were removed since included.
    pub(crate) fn printed_len(&self) -> usize {
        self.printed_len
    }

    /// Returns the group with this name, unless it was removed or never found.
    pub(crate) fn group<'g>(&'g self, comm: &Comm, guard: &'g Guard) -> Option<&'g Group> {
        self.groups.get(comm.as_field(), guard)
    }
}

impl Groups for Snapshot {
    type Key = Comm;

    fn remove(&self, comm: &Comm) -> bool {
        match self.groups.remove(comm.as_field()) {
            Some(removed) => {
                removed.free_later();
                true
            }
            None => false,
        }
    }
}
