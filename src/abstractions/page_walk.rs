// SPDX-License-Identifier: GPL-2.0-only

//! Walks the page tables of one area and shows the pages that are present.
//!
//! `walk_page_range()` is not exported to modules. What is absent at an upper level is skipped whole:
//! the cost is that of populated tables, whatever the size of the area.
//!
//! Why the tables stay: those of an area that is mapped are only freed by who holds the `mmap_lock`
//! for writing, or (tables of last level that ran empty or collapsed into a huge page, and shared
//! hugetlb tables) after an RCU grace period; the walk holds the lock for reading and is in an RCU
//! read-side critical section. Entries of huge mappings are looked at under their page-table lock. Those
//! of the last level are read without one: many workers walk one address space at once, and some
//! architectures have one such lock for all of it. A page that is to be pinned is first referenced if it
//! has references still, and then it is seen whether the entry still maps it, as in `gup_fast_pte_range()`
//! of `mm/gup.c`; where that fails, the lock is taken.
//!
//! C headers: `include/linux/pgtable.h`, `include/linux/mm.h`; model: `mm/pagewalk.c`.

use crate::bindings;
use crate::mm::{has_readable_pages, is_anonymous, MmapRead};
use crate::page::PinnedPage;
use core::marker::PhantomData;
use core::ops::ControlFlow;
use kernel::bindings::{mm_struct, p4d_t, pmd_t, pte_t, pud_t, spinlock_t};
use kernel::mm::virt::{flags, VmaRef};
use kernel::sync::rcu;
use logic::units::{Pfn, PAGE_SIZE};

/// What is done with the pages that a walk meets.
pub trait Visitor {
    /// Looks at one present page. Called under the RCU read-side lock, and for huge mappings under a
    /// page-table lock: must not sleep.
    ///
    /// `Break` leaves the page for the next walk, which starts at its address.
    fn visit(&mut self, page: MappedPage<'_>) -> ControlFlow<()>;

    /// Is asked before the pages of a last-level table or of a huge mapping are shown.
    fn enter(&mut self) -> Enter {
        Enter::Look
    }
}

/// Whether a walk looks at what one entry above the last level maps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// Shows its pages.
    Look,
    /// Goes on behind it.
    Skip,
    /// Ends before it.
    Stop,
}

/// What must be known of an area to judge its pages.
#[derive(Clone, Copy)]
struct Area {
    /// Its pages may be read: see [`has_readable_pages`].
    readable: bool,
    /// No file or device stands behind it.
    anonymous: bool,
}

/// A page that is present in the walked area, or was when its entry was read.
pub struct MappedPage<'a> {
    pfn: Pfn,
    /// No `struct page` stands behind the entry.
    special: bool,
    area: Area,
    entry: Entry,
    _tables: PhantomData<&'a rcu::Guard>,
}

/// What keeps the page mapped, or tells that it is.
#[derive(Clone, Copy)]
enum Entry {
    /// The page-table lock is held.
    Locked,
    /// It is not: an entry of a last-level table.
    Unlocked(PteEntry),
}

/// An entry of a last-level table as it was read without a lock.
///
/// # Invariants
///
/// The tables stay (see the head of the file); `ptep` is an entry of the table that `pmd`, the value that
/// was read from `pmdp`, points to; both are of `mm`.
#[derive(Clone, Copy)]
struct PteEntry {
    mm: *mut mm_struct,
    pmdp: *mut pmd_t,
    pmd: pmd_t,
    ptep: *mut pte_t,
    pte: usize,
}

impl PteEntry {
    /// True if nothing has changed since.
    fn is_unchanged(&self) -> bool {
        // SAFETY: by the type's invariants both entries are valid; then a plain function of values.
        unsafe {
            bindings::abstractions_present_pte(self.ptep) == self.pte
                && bindings::abstractions_pmd_same(
                    self.pmd,
                    bindings::abstractions_pmdp_get(self.pmdp),
                )
        }
    }

    /// As [`PinnedPage::pin`], for the page that the entry maps.
    ///
    /// # Safety
    ///
    /// `pfn` is the entry's, of an area for which [`has_readable_pages`].
    unsafe fn pin(&self, pfn: Pfn) -> Option<PinnedPage> {
        // SAFETY: by this function's own requirement the frame has a `struct page`.
        match unsafe { PinnedPage::try_pin(pfn, || self.is_unchanged()) } {
            Ok(page) => page,
            Err(_) => {
                // SAFETY: by the type's invariants `pmd` points to a table of this mm.
                let lock = unsafe { bindings::abstractions_pte_lock(self.mm, self.pmd) };
                let _lock = PageTableLock(lock);
                if !self.is_unchanged() {
                    return None;
                }
                // SAFETY: the lock is held, and the entry maps the frame.
                unsafe { PinnedPage::pin(pfn) }
            }
        }
    }
}

impl MappedPage<'_> {
    /// The frame's number.
    pub fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// Takes a reference to the page, to read it after the walk. `None` if it must not be read.
    pub fn pin(&self) -> Option<PinnedPage> {
        // SAFETY: any frame number may be asked for.
        let is_zero = || unsafe { bindings::abstractions_is_zero_pfn(self.pfn) };
        // Special entries of anonymous areas are the zero pages, small or huge (whose number is not
        // exported); the small one occurs elsewhere too. They are pages like others.
        let is_page = !self.special || self.area.anonymous || is_zero();
        if !(self.area.readable && is_page) {
            return None;
        }
        match &self.entry {
            // SAFETY: the walk that made `self` holds the entry's lock; the area was asked above.
            Entry::Locked => unsafe { PinnedPage::pin(self.pfn) },
            // SAFETY: the frame is the entry's; the area was asked above.
            Entry::Unlocked(entry) => unsafe { entry.pin(self.pfn) },
        }
    }
}

/// Where a walk ended.
pub struct Progress {
    /// All pages below this address were shown.
    pub reached: usize,
    /// Entries of tables that were looked at, a measure of the time it took.
    pub entries: usize,
}

/// Shows the present pages in `start..end`, which is within `vma`, to the visitor, in order. Ends at
/// `end`, or earlier when the visitor breaks, or after about `max_entries` entries. Does not sleep.
///
/// As for `walk_page_range()`, and so for `/proc/<pid>/pagemap`, a VM_PFNMAP area is one hole.
pub fn walk(
    guard: &MmapRead<'_>,
    vma: &VmaRef,
    start: usize,
    end: usize,
    max_entries: usize,
    visitor: &mut impl Visitor,
) -> Progress {
    if vma.flags() & flags::PFNMAP != 0 {
        return Progress {
            reached: end,
            entries: 1,
        };
    }
    let mut walk = Walk {
        guard,
        area: Area {
            readable: has_readable_pages(vma),
            anonymous: is_anonymous(vma),
        },
        end,
        at: start,
        entries: 0,
        max_entries,
        visitor,
    };
    // Keeps tables from being freed; see above.
    let _guard = rcu::read_lock();
    while walk.at < end {
        if walk.step().is_break() {
            break;
        }
    }
    Progress {
        reached: walk.at.min(end),
        entries: walk.entries,
    }
}

struct Walk<'a, V> {
    guard: &'a MmapRead<'a>,
    area: Area,
    end: usize,
    at: usize,
    entries: usize,
    max_entries: usize,
    visitor: &'a mut V,
}

/// Unlocks a page-table lock at the end of a scope.
struct PageTableLock(*mut spinlock_t);

impl Drop for PageTableLock {
    fn drop(&mut self) {
        // SAFETY: made only from locks that were just taken, once each.
        unsafe { bindings::abstractions_page_table_unlock(self.0) };
    }
}

impl<V: Visitor> Walk<'_, V> {
    /// Goes on to the next entry of the level whose entries cover `size` bytes.
    fn skip(&mut self, size: usize) -> ControlFlow<()> {
        // The topmost entry ends where addresses do.
        self.at = (self.at & !(size - 1))
            .checked_add(size)
            .unwrap_or(usize::MAX);
        self.count(1)
    }

    fn count(&mut self, entries: usize) -> ControlFlow<()> {
        self.entries += entries;
        if self.entries < self.max_entries {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Looks at what an entry of `size` bytes maps, unless the visitor does not want to.
    fn enter(
        &mut self,
        size: usize,
        look: impl FnOnce(&mut Self) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.visitor.enter() {
            Enter::Look => look(self),
            Enter::Skip => self.skip(size),
            Enter::Stop => ControlFlow::Break(()),
        }
    }

    /// Walks what one entry of the top levels covers.
    fn step(&mut self) -> ControlFlow<()> {
        let mm = self.guard.mm().as_raw();
        // SAFETY: `mm` is alive, and the area lies within its address space.
        let pgd = unsafe { bindings::abstractions_pgd_offset(mm, self.at) };
        // SAFETY: a valid entry of the top level.
        if !unsafe { bindings::abstractions_pgd_is_table(pgd) } {
            // SAFETY: no requirements.
            return self.skip(unsafe { bindings::abstractions_pgdir_size() });
        }
        // SAFETY: the entry points to a table.
        let p4d = unsafe { bindings::abstractions_p4d_offset(pgd, self.at) };
        // SAFETY: a valid entry.
        if !unsafe { bindings::abstractions_p4d_is_table(p4d) } {
            return self.skip(bindings::ABSTRACTIONS_P4D_SIZE);
        }
        self.walk_pud_table(p4d)
    }

    /// Walks the tables below one p4d entry, which points to a table.
    fn walk_pud_table(&mut self, p4d: *mut p4d_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_P4D_SIZE);
        while self.at < end {
            // SAFETY: the entry points to a table, and `at` is in what it covers.
            let pudp = unsafe { bindings::abstractions_pud_offset(p4d, self.at) };
            // SAFETY: a valid entry.
            let pud = unsafe { bindings::abstractions_pudp_get(pudp) };
            // SAFETY: plain functions of a value.
            let (table, page) = unsafe {
                (
                    bindings::abstractions_pud_is_table(pud),
                    bindings::abstractions_pud_is_page(pud),
                )
            };
            if table {
                self.walk_pmd_table(pudp, pud)?;
            } else if page {
                self.enter(bindings::ABSTRACTIONS_PUD_SIZE, |walk| {
                    walk.walk_pud_page(pudp)
                })?;
            } else {
                self.skip(bindings::ABSTRACTIONS_PUD_SIZE)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Shows the pages of one 1 GiB mapping, or does nothing if it is none any more: then the caller
    /// looks again.
    fn walk_pud_page(&mut self, pudp: *mut pud_t) -> ControlFlow<()> {
        let mm = self.guard.mm().as_raw();
        // SAFETY: a valid entry of this mm; see the head of the file.
        let _lock = PageTableLock(unsafe { bindings::abstractions_pud_lock(mm, pudp) });
        // SAFETY: as above; then plain functions of a value.
        let (page, special, pfn) = unsafe {
            let pud = bindings::abstractions_pudp_get(pudp);
            (
                bindings::abstractions_pud_is_page(pud),
                bindings::abstractions_pud_special(pud),
                bindings::abstractions_pud_pfn(pud),
            )
        };
        if !page {
            return self.count(1);
        }
        self.show_range(pfn, special, bindings::ABSTRACTIONS_PUD_SIZE)
    }

    /// Walks the tables below one pud entry, which pointed to a table when it was read.
    fn walk_pmd_table(&mut self, pudp: *mut pud_t, pud: pud_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_PUD_SIZE);
        while self.at < end {
            // SAFETY: the entry points to a table that stays (see the head of the file).
            let pmdp = unsafe { bindings::abstractions_pmd_offset(pudp, pud, self.at) };
            // SAFETY: a valid entry.
            let pmd = unsafe { bindings::abstractions_pmdp_get(pmdp) };
            // SAFETY: plain functions of a value.
            let (table, page) = unsafe {
                (
                    bindings::abstractions_pmd_is_table(pmd),
                    bindings::abstractions_pmd_is_page(pmd),
                )
            };
            if table {
                self.enter(bindings::ABSTRACTIONS_PMD_SIZE, |walk| {
                    walk.walk_pte_table(pmdp, pmd)
                })?;
            } else if page {
                self.enter(bindings::ABSTRACTIONS_PMD_SIZE, |walk| {
                    walk.walk_pmd_page(pmdp)
                })?;
            } else {
                self.skip(bindings::ABSTRACTIONS_PMD_SIZE)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Shows the pages of one 2 MiB mapping, or does nothing if it is none any more: then the caller
    /// looks again.
    fn walk_pmd_page(&mut self, pmdp: *mut pmd_t) -> ControlFlow<()> {
        let mm = self.guard.mm().as_raw();
        // SAFETY: a valid entry of this mm; see the head of the file.
        let _lock = PageTableLock(unsafe { bindings::abstractions_pmd_lock(mm, pmdp) });
        // SAFETY: as above; then plain functions of a value.
        let (page, special, pfn) = unsafe {
            let pmd = bindings::abstractions_pmdp_get(pmdp);
            (
                bindings::abstractions_pmd_is_page(pmd),
                bindings::abstractions_pmd_special(pmd),
                bindings::abstractions_pmd_pfn(pmd),
            )
        };
        if !page {
            return self.count(1);
        }
        self.show_range(pfn, special, bindings::ABSTRACTIONS_PMD_SIZE)
    }

    /// Shows the pages of one last-level table.
    fn walk_pte_table(&mut self, pmdp: *mut pmd_t, pmd: pmd_t) -> ControlFlow<()> {
        let mm = self.guard.mm().as_raw();
        let end = self.end_of(bindings::ABSTRACTIONS_PMD_SIZE);
        // SAFETY: `at` is in what the table covers.
        let mut ptep = unsafe { bindings::abstractions_pte_offset(pmd, self.at) };
        while self.at < end {
            // SAFETY: an entry of the table, since `at` is in what it covers.
            let pte = unsafe { bindings::abstractions_present_pte(ptep) };
            if pte != 0 {
                let special = pte & bindings::ABSTRACTIONS_PTE_SPECIAL != 0;
                // INVARIANT: the table stays while the walk holds the RCU read-side lock.
                let entry = Entry::Unlocked(PteEntry {
                    mm,
                    pmdp,
                    pmd,
                    ptep,
                    pte,
                });
                self.show(pte >> bindings::ABSTRACTIONS_PTE_PFN_SHIFT, special, entry)?;
            }
            self.skip(PAGE_SIZE)?;
            // One past the last entry at most.
            ptep = ptep.wrapping_add(1);
        }
        ControlFlow::Continue(())
    }

    /// Shows the rest of a huge mapping of `size` bytes that starts with frame `pfn`.
    fn show_range(&mut self, pfn: Pfn, special: bool, size: usize) -> ControlFlow<()> {
        let end = self.end_of(size);
        while self.at < end {
            let within = (self.at & (size - 1)) / PAGE_SIZE;
            self.show(pfn + within, special, Entry::Locked)?;
            self.skip(PAGE_SIZE)?;
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, pfn: Pfn, special: bool, entry: Entry) -> ControlFlow<()> {
        self.visitor.visit(MappedPage {
            pfn,
            special,
            area: self.area,
            entry,
            _tables: PhantomData,
        })
    }

    /// Where what the current entry of `size` bytes covers ends, or the walk.
    fn end_of(&self, size: usize) -> usize {
        let end = (self.at & !(size - 1)).checked_add(size);
        end.map_or(self.end, |end| end.min(self.end))
    }
}
