// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel knows about an address space as a whole.
//!
//! C headers: `include/linux/mm_types.h` (`struct mm_struct`), `include/linux/mm.h`.

use crate::bindings;
use crate::mm::MmapRead;
use kernel::bindings::{MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS};
use logic_vm_layout::layout::{Segments, Span, Usage};

impl MmapRead<'_> {
    /// Number of areas.
    pub fn map_count(&self) -> usize {
        // SAFETY: the address space is alive; the number changes under the lock for writing only.
        let count = unsafe { (*self.mm().as_raw()).__bindgen_anon_1.map_count };
        usize::try_from(count).unwrap_or(0)
    }

    /// Its parts by purpose. Does not sleep.
    pub fn segments(&self) -> Segments {
        let mut raw: bindings::abstractions_mm_segments = pin_init::zeroed();
        // SAFETY: the address space is alive, by the guard.
        unsafe { bindings::abstractions_mm_segments(self.mm().as_raw(), &mut raw) };
        let stack_pointer = raw.start_stack;
        let stack = self
            .find_vma(stack_pointer)
            .filter(|vma| vma.start() <= stack_pointer);
        let span = |start, end| Span { start, end };
        Segments {
            code: span(raw.start_code, raw.end_code),
            data: span(raw.start_data, raw.end_data),
            stack: stack.map_or(span(stack_pointer, stack_pointer), |vma| {
                span(vma.start(), vma.end())
            }),
            heap: span(raw.start_brk, raw.brk),
            arguments: span(raw.arg_start, raw.arg_end),
            environment: span(raw.env_start, raw.env_end),
        }
    }

    /// What it uses. Exact for a process that stands still; page faults, which do not wait for the
    /// lock, may change it meanwhile. Does not sleep.
    pub fn usage(&self) -> Usage {
        let mm = self.mm().as_raw();
        let counter = |member: u32| {
            // SAFETY: the address space is alive, by the guard; the counters are those of
            // `struct mm_struct`.
            unsafe { bindings::abstractions_get_mm_counter_sum(mm, member as i32) as u64 }
        };
        Usage {
            anonymous_pages: counter(MM_ANONPAGES),
            file_pages: counter(MM_FILEPAGES),
            shmem_pages: counter(MM_SHMEMPAGES),
            swap_pages: counter(MM_SWAPENTS),
            // SAFETY: as above.
            page_table_bytes: unsafe { bindings::abstractions_mm_pgtables_bytes(mm) as u64 },
            // SAFETY: as above; it changes under the lock for writing only.
            total_vm_pages: unsafe { (*mm).__bindgen_anon_1.total_vm as u64 },
        }
    }
}
