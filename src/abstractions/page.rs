// SPDX-License-Identifier: GPL-2.0

//! Physical pages that processes map.
//!
//! Their content belongs to others, who may write it at any moment: no Rust reference to it ever
//! exists. It is copied, and compared, by C functions through raw pointers.
//!
//! C headers: `include/linux/mm.h`, `include/linux/highmem.h`, `include/linux/page-flags.h`.

use crate::bindings;
use core::ptr::NonNull;
use kernel::bindings::page;
use logic::content_table::{Page, Pfn};
use logic::page_hash::{PageCopy, PAGE_SIZE};

// The kernel's Rust crate is built for one page size; ours is a constant of the statement.
const _: () = assert!(kernel::page::PAGE_SIZE == PAGE_SIZE);

/// A physical page, referenced so that it is not freed and used for something else. It does not keep
/// the content from changing.
///
/// # Invariants
///
/// Owns one reference to the page, which is in the kernel's own mapping and is not poisoned as far
/// as the kernel knew when the reference was taken.
pub struct PinnedPage(NonNull<page>);

// SAFETY: a page reference may be given up by any thread.
unsafe impl Send for PinnedPage {}
// SAFETY: shared, it only reads memory that others may write anyway.
unsafe impl Sync for PinnedPage {}

impl PinnedPage {
    /// Takes a reference to a mapped page, unless what it holds must not be touched.
    ///
    /// # Safety
    ///
    /// A page-table entry that maps the frame is held in place by its page-table lock, and the frame
    /// is a page of an area for which [`crate::mm::has_readable_pages`].
    pub(crate) unsafe fn pin(pfn: Pfn) -> Option<Self> {
        // SAFETY: mapped frames of such areas have a `struct page`.
        let page = NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })?;
        // SAFETY: the page is mapped, so alive.
        let untouchable = unsafe {
            bindings::abstractions_page_is_poisoned(page.as_ptr())
                || bindings::abstractions_is_pci_p2pdma_page(page.as_ptr())
        };
        if untouchable {
            return None;
        }
        // SAFETY: the mapping, which the lock holds in place, has a reference already.
        unsafe { bindings::abstractions_get_page(page.as_ptr()) };
        // INVARIANT: the reference just taken.
        Some(Self(page))
    }

    /// Copies the content as it is at this moment; if somebody writes meanwhile, a mixture.
    pub fn copy_to(&self, copy: &mut PageCopy) {
        // SAFETY: by the type's invariants the page is readable; `copy` has a page's size.
        unsafe {
            bindings::abstractions_memcpy_from_page(copy.as_mut_ptr().cast(), self.0.as_ptr())
        };
    }

    /// Compares the content as it is at this moment with a copy of a page.
    pub fn is_same(&self, copy: &PageCopy) -> bool {
        // SAFETY: as above.
        unsafe { bindings::abstractions_memcmp_page(copy.as_ptr().cast(), self.0.as_ptr()) == 0 }
    }
}

impl Page for PinnedPage {
    fn pfn(&self) -> Pfn {
        // SAFETY: by the type's invariants a valid page.
        unsafe { bindings::abstractions_page_to_pfn(self.0.as_ptr()) }
    }
}

impl Drop for PinnedPage {
    fn drop(&mut self) {
        // SAFETY: gives up the reference that this owns.
        unsafe { bindings::abstractions_put_page(self.0.as_ptr()) };
    }
}
