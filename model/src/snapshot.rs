// SPDX-License-Identifier: GPL-2.0-only

//! A small snapshot with groups, as the protocol sees the real one: found under RCU, removed one by
//! one, reclaimed after a grace period.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::{AllocError, KVVec};
use protocol::coalescer::SharedFailure;
use protocol::database::Groups;
use protocol::rcu::{Guard, RcuBox, RcuPointer};
use std::sync::atomic::{AtomicBool, Ordering};

/// Groups in each snapshot.
pub const GROUPS: usize = 2;

/// Pids in each group.
const PIDS: usize = 2;

/// What one scan found: each pid is the number of the scan, so that a mixture shows.
pub struct Snapshot {
    order: KVVec<u32>,
    groups: KVVec<RcuPointer<KVVec<u32>>>,
    /// Not loom's: it orders nothing.
    is_removing: AtomicBool,
}

impl Snapshot {
    /// The result of the scan with this number.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn scan(number: u32) -> Result<RcuBox<Self>, AllocError> {
        let mut groups = KVVec::with_capacity(GROUPS, GFP_KERNEL)?;
        for _ in 0..GROUPS {
            let pids = KVVec::from_elem(number, PIDS, GFP_KERNEL)?;
            let group = RcuPointer::empty();
            // Nothing was there to be retired.
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

    /// The number of the scan that found this group, or `None` if it was removed.
    ///
    /// # Panics
    ///
    /// If it is not of one scan.
    pub fn group(&self, key: usize, guard: &Guard) -> Option<u32> {
        let pids = self.groups[key].read(guard)?;
        let number = self.number();
        assert_eq!(pids.get(), &[number; PIDS], "a group of another scan");
        Some(number)
    }

    /// The number of the scan.
    ///
    /// # Panics
    ///
    /// If it is not of one scan.
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

/// Why a scan fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanFailure {
    /// For all who wait for it.
    NoMemory,
    /// For its runner only.
    Killed,
}

impl SharedFailure for ScanFailure {
    fn is_private(self) -> bool {
        self == Self::Killed
    }
}
