// SPDX-License-Identifier: GPL-2.0-only

//! The top-level page table of a process. With page-table isolation there are two; this is the
//! kernel's, whose user half is marked `NX`.
//!
//! C header: `arch/x86/include/asm/pgtable_64_types.h`.

use crate::bindings;
use crate::mm::MmapRead;
use kernel::prelude::*;
use logic::text::BufferFull;
use logic_vm_layout::top_level::{TopLevelEntry, ENTRIES};

/// Bits of an address below those that select a top-level entry: 39 with four levels of page tables,
/// 48 with five.
pub fn pgdir_shift() -> u32 {
    // SAFETY: no requirements.
    unsafe { bindings::abstractions_pgdir_shift() }
}

/// Copies all [`ENTRIES`] to `entries`, within its capacity. Does not sleep.
///
/// # Errors
///
/// [`BufferFull`].
pub fn read_top_level(
    guard: &MmapRead<'_>,
    entries: &mut KVec<TopLevelEntry>,
) -> Result<(), BufferFull> {
    entries.clear();
    // SAFETY: no requirements.
    let mask = unsafe { bindings::abstractions_pte_pfn_mask() };
    for index in 0..ENTRIES {
        // SAFETY: the address space, and so its top-level table, is alive, by the guard; the index
        // is within a table.
        let value = unsafe { bindings::abstractions_pgd_val(guard.mm().as_raw(), index) };
        let entry = TopLevelEntry {
            table: value & mask,
            flag_bits: (value & !mask) as u64,
        };
        entries
            .push_within_capacity(entry)
            .map_err(|_| BufferFull)?;
    }
    Ok(())
}
