// SPDX-License-Identifier: GPL-2.0-only

//! A page that a walk meets, and its content, which is read during the walk without a reference.
//!
//! To read a page, the caller copies bytes of the frame that the page-table entry named, and then asks whether
//! the entry still maps it ([`PageContent::is_unchanged`]). If so, the bytes are the page's: a frame that is mapped
//! is not freed. If not, the page was moved or unmapped meanwhile, and the caller walks to its address again.
//! This leaves no trace: no reference, which migration, collapsing, sealing or reclaim would meet, and no lock.
//!
//! C headers: `include/linux/pgtable.h`, `include/linux/mm.h`.

use crate::frame::{Frame, Owner, Unreadable};
use abstractions::bindings;
use core::marker::PhantomData;
use kernel::bindings::{pmd_t, pte_t, pud_t};
use kernel::sync::rcu;
use logic::units::{Pfn, MAX_PFN};

/// What a walk needs to know of its area to decide which pages may be read.
#[derive(Clone, Copy)]
pub(crate) struct AreaKind {
    /// The result of `Area::has_readable_pages()`.
    pub(crate) readable: bool,
    /// No file or device stands behind the area.
    pub(crate) anonymous: bool,
}

/// A page-table entry that maps pages, and the entry above it.
///
/// # Invariants
///
/// The pointers are to entries of tables that are not freed during the walk (see [`crate::page_walk`]): that of
/// the page, and that which pointed to its table with the value given.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    /// An entry of a last-level table.
    Pte {
        ptep: *mut pte_t,
        pmdp: *mut pmd_t,
        pmd: pmd_t,
    },
    /// A huge page of 2 MiB.
    Pmd {
        pmdp: *mut pmd_t,
        pudp: *mut pud_t,
        pud: pud_t,
    },
    /// A huge page of 1 GiB.
    Pud { pudp: *mut pud_t },
}

impl Entry {
    /// Reads the entry; 0 if it maps no page or is no longer one of the address space.
    #[inline]
    fn read(&self) -> usize {
        // SAFETY: By the type invariants, the entries can be read. The other functions are of values.
        unsafe {
            match *self {
                Self::Pte { ptep, pmdp, pmd } => {
                    let value = bindings::abstractions_leaf_pte(ptep);
                    let now = bindings::abstractions_pmdp_get(pmdp);
                    value * usize::from(bindings::abstractions_pmd_is_same_table(pmd, now))
                }
                // A table of hugetlb pages that processes share may become another process's alone.
                Self::Pmd { pmdp, pudp, pud } => {
                    let pmd = bindings::abstractions_pmdp_get(pmdp);
                    let now = bindings::abstractions_pudp_get(pudp);
                    bindings::abstractions_leaf_pmd(pmd)
                        * usize::from(bindings::abstractions_pud_is_same_table(pud, now))
                }
                Self::Pud { pudp } => {
                    bindings::abstractions_leaf_pud(bindings::abstractions_pudp_get(pudp))
                }
            }
        }
    }
}

/// A page that was present in the walked area when its entry was read.
pub struct MappedPage<'w> {
    pub(crate) address: usize,
    pub(crate) pfn: Pfn,
    pub(crate) area: AreaKind,
    pub(crate) entry: Entry,
    /// What was read from the entry.
    pub(crate) value: usize,
    pub(crate) _walk: PhantomData<&'w rcu::Guard>,
}

/// The content of a page, while a walk goes on.
///
/// # Invariants
///
/// The page was mapped, in an area that has readable pages, when the entry was read.
pub struct PageContent<'w> {
    page: MappedPage<'w>,
    frame: Frame,
}

impl<'w> MappedPage<'w> {
    /// Returns the frame's number.
    #[inline]
    pub fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// Returns the page's content, or `None` if it must not be read because the area's pages, or this one, are no
    /// ordinary memory.
    #[inline]
    pub fn content(self) -> Option<PageContent<'w>> {
        let special = self.value & bindings::ABSTRACTIONS_ENTRY_SPECIAL != 0;
        // SAFETY: An FFI call with no additional requirements: it compares numbers.
        let is_zero = || unsafe { bindings::abstractions_is_zero_pfn(self.pfn) };
        // A special entry has no `struct page`, or maps a zero page: the small one, or, in anonymous areas, the
        // huge one, whose number is not exported. Zero pages count as pages.
        let is_huge = !matches!(self.entry, Entry::Pte { .. });
        let is_page = !special || is_zero() || is_huge && self.area.anonymous;
        if !(self.area.readable && is_page) || self.pfn >= MAX_PFN {
            return None;
        }
        // SAFETY: The frame is mapped in an area with readable pages, by an entry that is not special or maps a
        // zero page, and such frames have a `struct page`.
        let frame = unsafe { Frame::new(self.pfn) };
        // INVARIANT: The area's pages are readable, as was checked above.
        Some(PageContent { page: self, frame })
    }
}

impl PageContent<'_> {
    /// Returns the page's address in the process.
    #[inline]
    pub fn address(&self) -> usize {
        self.page.address
    }

    /// Returns the frame's number.
    #[inline]
    pub fn pfn(&self) -> Pfn {
        self.page.pfn
    }

    /// Starts to fetch the cache line at `offset` bytes from the page's start.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        self.frame.prefetch(offset);
    }

    /// Starts to fetch what [`Self::owner`] and [`Self::is_untouchable`] read.
    #[inline]
    pub fn prefetch_owner(&self) {
        self.frame.prefetch_owner();
    }

    /// Returns true if the memory is known to be bad or lies in a PCI device, so that it must not be read.
    #[inline]
    pub fn is_untouchable(&self) -> bool {
        self.frame.is_untouchable()
    }

    /// Returns false if the frame is certainly mapped by one process alone.
    #[inline]
    pub fn may_be_shared(&self) -> bool {
        self.frame.may_be_shared()
    }

    /// Returns to whom the frame belongs at this moment.
    #[inline]
    pub fn owner(&self) -> Owner {
        self.frame.owner()
    }

    /// Copies bytes from `offset` on, as many as `to` has. They are the page's if [`Self::is_unchanged`] returns
    /// true afterwards; if a process writes to the page at the same time, they may be a mixture of old and new ones.
    ///
    /// # Errors
    ///
    /// Returns [`Unreadable`] if the part does not lie within the page or is not in whole words, too.
    #[inline]
    pub fn copy(&self, offset: usize, to: &mut [u8]) -> Result<(), Unreadable> {
        self.frame.copy(offset, to)
    }

    /// Returns true if the page is still mapped as it was when the walk met it.
    #[inline]
    pub fn is_unchanged(&self) -> bool {
        self.page.entry.read() == self.page.value
    }
}
