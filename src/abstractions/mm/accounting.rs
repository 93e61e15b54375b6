// SPDX-License-Identifier: GPL-2.0-only

//! Numbers that the kernel keeps of an address space as a whole.
//!
//! C headers: `include/linux/mm_types.h` (`struct mm_struct`), `include/linux/mm.h`.

use crate::mmap_write::MmapWrite;
use abstractions::bindings;
use kernel::bindings::{MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS};
use kernel::mm::MmWithUser;

/// The addresses in `struct mm_struct` where parts of the program begin and end.
pub use abstractions::bindings::abstractions_mm_segments as MmSegments;

/// One of the counters in `struct mm_struct`, each of which counts 4 KiB pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmCounter {
    /// Present pages of anonymous memory (`RssAnon`).
    Anonymous,
    /// Present pages of files (`RssFile`).
    File,
    /// Present pages of shared memory (`RssShmem`).
    SharedMemory,
    /// Pages in swap (`VmSwap`).
    Swap,
}

/// Returns about how many pages of the address space are present, without those of hugetlb. Takes no lock.
pub fn resident_pages(mm: &MmWithUser) -> usize {
    // SAFETY: The address space is alive, by the reference to it.
    unsafe { bindings::abstractions_get_mm_rss(mm.as_raw()) }
}

/// The lock for reading would not do: see [`MmapWrite`].
impl MmapWrite<'_> {
    /// Returns the number of areas.
    pub fn map_count(&self) -> usize {
        // SAFETY: The address space is alive while the guard lives, and the number changes only under the
        // lock, which nobody else holds.
        let count = unsafe { (*self.as_raw()).__bindgen_anon_1.map_count };
        usize::try_from(count).unwrap_or(0)
    }

    /// Returns the number of pages in all areas.
    pub fn total_vm(&self) -> usize {
        // SAFETY: The address space is alive while the guard lives, and the number changes only under the
        // lock, which nobody else holds.
        unsafe { (*self.as_raw()).__bindgen_anon_1.total_vm }
    }

    /// Returns where the program's parts are. Takes `arg_lock`; does not sleep.
    pub fn segments(&self) -> MmSegments {
        let mut segments: MmSegments = pin_init::zeroed();
        // SAFETY: The address space is alive while the guard lives.
        unsafe { bindings::abstractions_mm_segments(self.as_raw(), &mut segments) };
        segments
    }

    /// Returns the value of a counter. Page faults, which do not wait for the lock, may change it at any
    /// time. Does not sleep.
    pub fn counter(&self, counter: MmCounter) -> usize {
        let member = match counter {
            MmCounter::Anonymous => MM_ANONPAGES,
            MmCounter::File => MM_FILEPAGES,
            MmCounter::SharedMemory => MM_SHMEMPAGES,
            MmCounter::Swap => MM_SWAPENTS,
        };
        // SAFETY: The address space is alive while the guard lives, and `member` is one of its counters.
        unsafe { bindings::abstractions_get_mm_counter_sum(self.as_raw(), member as i32) }
    }

    /// Returns the size of all page tables in bytes (`VmPTE`). Page faults may change it at any time.
    pub fn page_table_bytes(&self) -> usize {
        // SAFETY: The address space is alive while the guard lives.
        unsafe { bindings::abstractions_mm_pgtables_bytes(self.as_raw()) }
    }
}
