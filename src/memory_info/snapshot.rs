// SPDX-License-Identifier: GPL-2.0-only

//! What one scan found.

use abstractions::sort::sort_by_key;
use abstractions_rhashtable::FixedKeyTable;
use kernel::prelude::*;
use kernel::sync::rcu::Guard;
use logic::comm::{Comm, TASK_COMM_LEN};
use logic::text::Print;
use logic_memory_info::counts::Counts;
use logic_memory_info::report::SetLine;
use protocol::database::Groups;

/// The processes of one name. Does not change.
pub(crate) struct Group {
    pub(crate) counts: Counts,
    /// Ascending.
    pub(crate) pids: KVVec<u32>,
}

impl Group {
    /// The lowest of the group's pids.
    pub(crate) fn lowest_pid(&self) -> u32 {
        self.pids.first().copied().unwrap_or(u32::MAX)
    }

    /// The group as one line of output.
    pub(crate) fn as_set<'a>(&'a self, comm: &'a Comm) -> SetLine<'a> {
        SetLine {
            comm,
            counts: &self.counts,
            pids: &self.pids,
        }
    }
}

/// All groups of one scan, less those that DEL removed since.
pub(crate) struct Snapshot {
    groups: FixedKeyTable<TASK_COMM_LEN, Group>,
    /// Names of all groups that the scan found, in the order of their lowest pids.
    order: KVVec<Comm>,
    /// Bytes of the lines of all groups, so that ALL need not print them twice.
    printed_len: usize,
}

impl Snapshot {
    /// Takes the groups of a scan. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, EEXIST if a name comes twice.
    pub(crate) fn new(mut found: KVVec<(Comm, Group)>) -> Result<Self> {
        sort_by_key(&mut found, |(_, group)| group.lowest_pid());
        let groups = FixedKeyTable::new(found.len(), GFP_KERNEL)?;
        let mut order = KVVec::with_capacity(found.len(), GFP_KERNEL)?;
        let mut printed_len = 0;
        for (comm, group) in found {
            printed_len += group.as_set(&comm).printed_len();
            order.push(comm, GFP_KERNEL)?;
            groups.insert(*comm.as_field(), group, GFP_KERNEL)?;
        }
        Ok(Self {
            groups,
            order,
            printed_len,
        })
    }

    /// Names in the order of output. A name may have been deleted since.
    pub(crate) fn order(&self) -> &[Comm] {
        &self.order
    }

    /// Bytes of the lines of all groups: at least what those are that were not deleted since.
    pub(crate) fn printed_len(&self) -> usize {
        self.printed_len
    }

    /// The group of this name, if it was found and not deleted.
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
