// SPDX-License-Identifier: GPL-2.0-only

//! A page that a walk meets, and how it is pinned during the walk.
//!
//! C headers: `include/linux/pgtable.h`, `include/linux/mm.h`; model: `gup_fast_pte_range()` of `mm/gup.c`.

use crate::page::PinnedPage;
use abstractions::bindings;
use core::marker::PhantomData;
use kernel::bindings::{mm_struct, pmd_t, pte_t, spinlock_t};
use kernel::sync::rcu;
use logic::units::Pfn;

/// A page-table lock that the calling thread holds.
///
/// # Invariants
///
/// The lock was taken and is not released elsewhere.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct PageTableLock(pub(crate) *mut spinlock_t);

impl Drop for PageTableLock {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock.
        unsafe { bindings::abstractions_page_table_unlock(self.0) };
    }
}

/// What a walk needs to know of its area to decide which pages may be read.
#[derive(Clone, Copy)]
pub(crate) struct AreaKind {
    /// The result of `Area::has_readable_pages()`.
    pub(crate) readable: bool,
    /// The result of `Area::is_anonymous()`.
    pub(crate) anonymous: bool,
}

/// A page that was present in the walked area when its entry was read.
pub struct MappedPage<'a> {
    pub(crate) pfn: Pfn,
    /// The entry is special (`pte_special()`): it has no `struct page`, or maps the zero page.
    pub(crate) special: bool,
    pub(crate) area: AreaKind,
    pub(crate) entry: MappingEntry,
    pub(crate) _tables: PhantomData<&'a rcu::Guard>,
}

/// What keeps a page mapped, or can tell whether it still is.
#[derive(Clone, Copy)]
pub(crate) enum MappingEntry {
    /// The entry's page-table lock is held.
    Locked,
    /// No lock is held: the entry can be read again.
    Unlocked(PteEntry),
}

/// An entry of a last-level table as it was read without a lock.
///
/// # Invariants
///
/// `ptep` is an entry of the table that `pmd`, the value that was read from `pmdp`, points to; both are of `mm`.
/// The tables are not freed while this value lives (see [`crate::page_walk`]).
#[derive(Clone, Copy)]
pub(crate) struct PteEntry {
    pub(crate) mm: *mut mm_struct,
    pub(crate) pmdp: *mut pmd_t,
    pub(crate) pmd: pmd_t,
    pub(crate) ptep: *mut pte_t,
    pub(crate) pte: usize,
}

impl PteEntry {
    /// Returns true if both entries still have the values that were read.
    fn is_unchanged(&self) -> bool {
        // SAFETY: By the type invariants, both entries can be read. `pmd_same()` is a function of values.
        unsafe {
            bindings::abstractions_present_pte(self.ptep) == self.pte
                && bindings::abstractions_pmd_same(
                    self.pmd,
                    bindings::abstractions_pmdp_get(self.pmdp),
                )
        }
    }

    /// Takes a reference to the page that the entry maps. Returns `None` if its content must not be read, or if
    /// it is not mapped any more.
    ///
    /// # Safety
    ///
    /// `pfn` is that of the entry, which is of an area that has readable pages.
    unsafe fn pin(&self, pfn: Pfn) -> Option<PinnedPage> {
        // SAFETY: By the safety requirements of this function, the frame is a page of an area with readable
        // pages, so it has a `struct page`, and the entry tells whether it is still mapped there.
        match unsafe { PinnedPage::try_pin(pfn, || self.is_unchanged()) } {
            Ok(page) => page,
            Err(_) => {
                // SAFETY: By the type invariants, `pmd` points to a last-level table of `mm`.
                let lock = unsafe { bindings::abstractions_pte_lock(self.mm, self.pmd) };
                // INVARIANT: The lock was just taken.
                let _lock = PageTableLock(lock);
                if !self.is_unchanged() {
                    return None;
                }
                // SAFETY: The page-table lock is held, and the entry maps the frame. By the safety requirements
                // of this function, the area has readable pages.
                unsafe { PinnedPage::pin(pfn) }
            }
        }
    }
}

impl MappedPage<'_> {
    /// Returns the frame's number.
    #[inline]
    pub fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// Takes a reference to the page, so that it can be read after the walk. Returns `None` if its content must
    /// not be read, or if it is not mapped any more.
    pub fn pin(&self) -> Option<PinnedPage> {
        // SAFETY: An FFI call with no additional requirements: it compares numbers.
        let is_zero = || unsafe { bindings::abstractions_is_zero_pfn(self.pfn) };
        // A special entry of an anonymous area maps a zero page: the small one, which may occur in other areas
        // too, or the huge one, whose number is not exported. Zero pages count as pages.
        let is_page = !self.special || self.area.anonymous || is_zero();
        if !(self.area.readable && is_page) {
            return None;
        }
        match &self.entry {
            // SAFETY: The walk that made `self` holds the entry's page-table lock, and the area has readable
            // pages, as was checked above.
            MappingEntry::Locked => unsafe { PinnedPage::pin(self.pfn) },
            // SAFETY: The frame is that of the entry, and the area has readable pages, as was checked above.
            MappingEntry::Unlocked(entry) => unsafe { entry.pin(self.pfn) },
        }
    }
}
