// SPDX-License-Identifier: GPL-2.0-only

//! A small snapshot in the place of the module's: groups that readers find under RCU, that are removed one
//! by one and reclaimed after a grace period.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::{AllocError, KVVec};
use protocol::coalescer::SharedFailure;
use protocol::database::Groups;
use protocol::rcu::{Guard, RcuBox, RcuPointer};
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of groups in each snapshot.
pub const GROUPS: usize = 2;

/// Number of pids in each group.
const PIDS: usize = 2;

/// The result of a scan. Each pid is the number of the scan, so that a mixture of scans is detected.
pub struct Snapshot {
    order: KVVec<u32>,
    groups: KVVec<RcuPointer<KVVec<u32>>>,
    /// An atomic of `std`, which does not add orderings to the model.
    is_removing: AtomicBool,
}

impl Snapshot {
    /// Returns the result of the scan with this number.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn scan(number: u32) -> Result<RcuBox<Self>, AllocError> {
        let mut groups = KVVec::with_capacity(GROUPS, GFP_KERNEL)?;
        for _ in 0..GROUPS {
            let pids = KVVec::from_elem(number, PIDS, GFP_KERNEL)?;
            let group = RcuPointer::empty();
            // The pointer was empty: there is nothing to retire.
            drop(group.replace(Some(RcuBox::new(pids, GFP_KERNEL)?)));
            groups.push(group, GFP_KERNEL)?;
        }
        let order = KVVec::from_elem(number, GROUPS, GFP_KERNEL)?;
        let snapshot = Self {
            order,
            groups,
            is_removing: AtomicBool::new(false),
        };
        RcuBox::new(snapshot, GFP_KERNEL)
    }

    /// Returns the number of the scan that found this group, or `None` if the group was removed.
    ///
    /// # Panics
    ///
    /// If parts of several scans are mixed.
    pub fn group(&self, key: usize, guard: &Guard) -> Option<u32> {
        let pids = self.groups[key].read(guard)?;
        let number = self.number();
        assert_eq!(pids.get(), &[number; PIDS], "a group of another scan");
        Some(number)
    }

    /// Returns the number of the scan.
    ///
    /// # Panics
    ///
    /// If parts of several scans are mixed.
    pub fn number(&self) -> u32 {
        let number = self.order[0];
        assert_eq!(self.order, [number; GROUPS], "a mixture of scans");
        number
    }
}

impl Groups for Snapshot {
    type Key = usize;

    fn remove(&self, key: &usize) -> bool {
        let is_second = self.is_removing.swap(true, Ordering::Relaxed);
        assert!(!is_second, "two remove at once");
        let removed = self.groups[*key].replace(None);
        self.is_removing.store(false, Ordering::Relaxed);
        match removed {
            Some(removed) => {
                removed.free_later();
                true
            }
            None => false,
        }
    }
}

/// Why a scan failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanFailure {
    /// A failure that the waiting callers share.
    NoMemory,
    /// A failure of the runner only.
    Killed,
}

impl SharedFailure for ScanFailure {
    fn is_private(self) -> bool {
        self == Self::Killed
    }
}
