// SPDX-License-Identifier: GPL-2.0-only

//! The top-level page table of a process. With page-table isolation there are two; this is the kernel's, in
//! which the user half is marked `NX`.
//!
//! C header: `arch/x86/include/asm/pgtable_64_types.h`.

use crate::mmap_lock::MmapRead;
use abstractions::bindings;

/// Entries of the table.
const PTRS_PER_PGD: usize = 512;

/// Returns the number of address bits below those that select a top-level entry: 39 with four levels of page
/// tables, 48 with five.
pub fn pgdir_shift() -> u32 {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::abstractions_pgdir_shift() }
}

/// Returns the bits of an entry that are the physical address of the next table. The others are flags.
pub fn address_mask() -> usize {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::abstractions_pte_pfn_mask() }
}

/// Returns the values of the 512 entries, in order. Does not sleep.
pub fn top_level_entries<'g>(guard: &'g MmapRead<'g>) -> impl Iterator<Item = usize> + 'g {
    (0..PTRS_PER_PGD).map(move |index| {
        // SAFETY: The address space, and so its top-level table, is alive while the guard lives; the
        // index is within the table.
        unsafe { bindings::abstractions_pgd_val(guard.as_raw(), index) }
    })
}
