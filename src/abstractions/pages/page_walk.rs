// SPDX-License-Identifier: GPL-2.0-only

//! A walk over the page tables of one area, which shows the pages that are present.
//!
//! `walk_page_range()` is not exported to modules. An entry of an upper level that has no table is skipped as
//! a whole, so the cost is that of the populated tables, whatever the size of the area.
//!
//! # Why tables stay while they are read
//!
//! The tables of a mapped area are freed only by a holder of the `mmap_lock` for writing, or after an RCU grace
//! period (last-level tables that became empty or were collapsed into a huge page, and shared hugetlb tables).
//! The walk holds the lock for reading and is in an RCU read-side critical section.
//!
//! Entries of huge mappings are read under their page-table lock. Entries of last-level tables are read without
//! one: many workers walk one address space at once, and some architectures have a single such lock for all of
//! it. To pin a page without the lock, the walk first takes a reference, if the page has any, and then checks
//! that the entry still maps the page, as `gup_fast_pte_range()` of `mm/gup.c` does. If that fails, it takes
//! the lock.
//!
//! C headers: `include/linux/pgtable.h`, `include/linux/mm.h`; model: `mm/pagewalk.c`.

use crate::mapped_page::{AreaKind, MappedPage, MappingEntry, PageTableLock, PteEntry};
use abstractions::bindings;
use abstractions_mm::area::Area;
use core::marker::PhantomData;
use core::ops::{ControlFlow, Range};
use kernel::bindings::{mm_struct, p4d_t, pmd_t, pud_t};
use kernel::sync::rcu;
use logic::units::{Pfn, PAGE_SIZE};

/// What the caller of a walk does with the pages.
pub trait Visitor {
    /// Visits one present page. It is called under the RCU read-side lock and, for huge mappings, a page-table
    /// lock, so it must not sleep.
    ///
    /// After `Break`, the walk ends before this page, and a next walk may start at its address.
    fn visit(&mut self, page: MappedPage<'_>) -> ControlFlow<()>;

    /// Decides whether the pages of a last-level table or of a huge mapping are visited.
    #[inline]
    fn descend(&mut self) -> Descend {
        Descend::Into
    }
}

/// What a walk does with the pages that one entry above the last level maps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Descend {
    /// Visits the pages.
    Into,
    /// Skips the pages and goes on after them.
    Over,
    /// Ends before the pages.
    Stop,
}

/// How far a walk has come.
pub struct Progress {
    /// The first address that was not walked: all present pages below it were visited or skipped.
    pub reached: usize,
    /// The number of table entries that were read, a measure of the time that the walk took.
    pub entries: usize,
}

/// Passes the present pages of `area` whose addresses are in `range` to the visitor, in ascending order. Ends at
/// the end of the area or of the range, or earlier if the visitor breaks, or after about `max_entries` table
/// entries. Does not sleep.
///
/// As for `walk_page_range()`, and so for `/proc/<pid>/pagemap`, a VM_PFNMAP area is one hole.
pub fn walk(
    area: Area<'_>,
    range: Range<usize>,
    max_entries: usize,
    visitor: &mut impl Visitor,
) -> Progress {
    let start = range.start.max(area.start());
    let end = range.end.min(area.end()).max(start);
    if area.is_pfn_map() {
        return Progress {
            reached: end,
            entries: 1,
        };
    }
    // Keeps the tables from being freed: see the head of the file.
    let _guard = rcu::read_lock();
    // INVARIANT: The area's guard holds the `mmap_lock`, the range is clamped to the area, and the RCU read-side
    // lock was just taken.
    let mut walk = PageWalk {
        mm: area.guard().as_raw(),
        area: AreaKind {
            readable: area.has_readable_pages(),
            anonymous: area.is_anonymous(),
        },
        end,
        at: start,
        entries: 0,
        max_entries,
        visitor,
    };
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

/// A walk in progress.
///
/// # Invariants
///
/// `mm` is alive and its `mmap_lock` is held; `at..end` lies in one of its areas; the calling thread is in an RCU
/// read-side critical section.
struct PageWalk<'a, V> {
    mm: *mut mm_struct,
    area: AreaKind,
    end: usize,
    at: usize,
    entries: usize,
    max_entries: usize,
    visitor: &'a mut V,
}

impl<V: Visitor> PageWalk<'_, V> {
    /// Moves on to the next entry of the level whose entries cover `size` bytes.
    fn skip(&mut self, size: usize) -> ControlFlow<()> {
        // The topmost entry ends at the end of all addresses.
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

    /// Walks what an entry of `size` bytes maps, if the visitor wants to.
    fn descend(
        &mut self,
        size: usize,
        walk_below: impl FnOnce(&mut Self) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.visitor.descend() {
            Descend::Into => walk_below(self),
            Descend::Over => self.skip(size),
            Descend::Stop => ControlFlow::Break(()),
        }
    }

    /// Walks what one entry of the top levels covers.
    fn step(&mut self) -> ControlFlow<()> {
        // SAFETY: By the type invariants, the address space is alive, and `at` is one of its addresses.
        let pgd = unsafe { bindings::abstractions_pgd_offset(self.mm, self.at) };
        // SAFETY: `pgd` points to an entry of the top-level table, which is alive as long as the address space.
        if !unsafe { bindings::abstractions_pgd_is_table(pgd) } {
            // SAFETY: An FFI call with no additional requirements.
            return self.skip(unsafe { bindings::abstractions_pgdir_size() });
        }
        // SAFETY: The entry points to a table, which stays by the type invariants.
        let p4d = unsafe { bindings::abstractions_p4d_offset(pgd, self.at) };
        // SAFETY: `p4d` points to an entry of a table that stays by the type invariants.
        if !unsafe { bindings::abstractions_p4d_is_table(p4d) } {
            return self.skip(bindings::ABSTRACTIONS_P4D_SIZE);
        }
        self.walk_pud_table(p4d)
    }

    /// Walks the tables below one p4d entry, which points to a table.
    fn walk_pud_table(&mut self, p4d: *mut p4d_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_P4D_SIZE);
        while self.at < end {
            // SAFETY: The entry points to a table that stays by the type invariants, and `at` is in its range.
            let pudp = unsafe { bindings::abstractions_pud_offset(p4d, self.at) };
            // SAFETY: `pudp` points to an entry of a table that stays by the type invariants.
            let pud = unsafe { bindings::abstractions_pudp_get(pudp) };
            // SAFETY: FFI calls with no additional requirements: they are functions of a value.
            let (table, page) = unsafe {
                (
                    bindings::abstractions_pud_is_table(pud),
                    bindings::abstractions_pud_is_page(pud),
                )
            };
            if table {
                self.walk_pmd_table(pudp, pud)?;
            } else if page {
                self.descend(bindings::ABSTRACTIONS_PUD_SIZE, |walk| {
                    walk.walk_pud_page(pudp)
                })?;
            } else {
                self.skip(bindings::ABSTRACTIONS_PUD_SIZE)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits the pages of one 1 GiB mapping. Does nothing if the entry has changed: then the caller reads it
    /// again.
    fn walk_pud_page(&mut self, pudp: *mut pud_t) -> ControlFlow<()> {
        // SAFETY: `pudp` points to an entry of a table of `mm`, which stays by the type invariants.
        // INVARIANT: The lock is taken here.
        let _lock = PageTableLock(unsafe { bindings::abstractions_pud_lock(self.mm, pudp) });
        // SAFETY: The entry is in a table that stays by the type invariants; the other functions are of a value.
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
        self.visit_range(pfn, special, bindings::ABSTRACTIONS_PUD_SIZE)
    }

    /// Walks the tables below one pud entry, which pointed to a table when it was read.
    fn walk_pmd_table(&mut self, pudp: *mut pud_t, pud: pud_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_PUD_SIZE);
        while self.at < end {
            // SAFETY: The entry pointed to a table when it was read, and the table stays by the type invariants.
            let pmdp = unsafe { bindings::abstractions_pmd_offset(pudp, pud, self.at) };
            // SAFETY: `pmdp` points to an entry of a table that stays by the type invariants.
            let pmd = unsafe { bindings::abstractions_pmdp_get(pmdp) };
            // SAFETY: FFI calls with no additional requirements: they are functions of a value.
            let (table, page) = unsafe {
                (
                    bindings::abstractions_pmd_is_table(pmd),
                    bindings::abstractions_pmd_is_page(pmd),
                )
            };
            if table {
                self.descend(bindings::ABSTRACTIONS_PMD_SIZE, |walk| {
                    walk.walk_pte_table(pmdp, pmd)
                })?;
            } else if page {
                self.descend(bindings::ABSTRACTIONS_PMD_SIZE, |walk| {
                    walk.walk_pmd_page(pmdp)
                })?;
            } else {
                self.skip(bindings::ABSTRACTIONS_PMD_SIZE)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits the pages of one 2 MiB mapping. Does nothing if the entry has changed: then the caller reads it
    /// again.
    fn walk_pmd_page(&mut self, pmdp: *mut pmd_t) -> ControlFlow<()> {
        // SAFETY: `pmdp` points to an entry of a table of `mm`, which stays by the type invariants.
        // INVARIANT: The lock is taken here.
        let _lock = PageTableLock(unsafe { bindings::abstractions_pmd_lock(self.mm, pmdp) });
        // SAFETY: The entry is in a table that stays by the type invariants; the other functions are of a value.
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
        self.visit_range(pfn, special, bindings::ABSTRACTIONS_PMD_SIZE)
    }

    /// Visits the pages of one last-level table.
    fn walk_pte_table(&mut self, pmdp: *mut pmd_t, pmd: pmd_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_PMD_SIZE);
        // SAFETY: `pmd` points to a table that stays by the type invariants, and `at` is in its range.
        let mut ptep = unsafe { bindings::abstractions_pte_offset(pmd, self.at) };
        while self.at < end {
            // SAFETY: `ptep` points to an entry of the table, since `at` is in the table's range.
            let pte = unsafe { bindings::abstractions_present_pte(ptep) };
            if pte != 0 {
                let special = pte & bindings::ABSTRACTIONS_PTE_SPECIAL != 0;
                // INVARIANT: The tables stay while the walk is in its RCU read-side critical section, and the
                // visitor gets the value for the time of one call only.
                let entry = MappingEntry::Unlocked(PteEntry {
                    mm: self.mm,
                    pmdp,
                    pmd,
                    ptep,
                    pte,
                });
                self.visit(pte >> bindings::ABSTRACTIONS_PTE_PFN_SHIFT, special, entry)?;
            }
            self.skip(PAGE_SIZE)?;
            // After the last entry, this points just past the table, and is not read.
            ptep = ptep.wrapping_add(1);
        }
        ControlFlow::Continue(())
    }

    /// Visits the rest of a huge mapping of `size` bytes that starts with frame `pfn`.
    fn visit_range(&mut self, pfn: Pfn, special: bool, size: usize) -> ControlFlow<()> {
        let end = self.end_of(size);
        while self.at < end {
            let within = (self.at & (size - 1)) / PAGE_SIZE;
            self.visit(pfn + within, special, MappingEntry::Locked)?;
            self.skip(PAGE_SIZE)?;
        }
        ControlFlow::Continue(())
    }

    fn visit(&mut self, pfn: Pfn, special: bool, entry: MappingEntry) -> ControlFlow<()> {
        self.visitor.visit(MappedPage {
            pfn,
            special,
            area: self.area,
            entry,
            _tables: PhantomData,
        })
    }

    /// Returns where the range of the current entry of `size` bytes ends, or the walk if that is lower.
    fn end_of(&self, size: usize) -> usize {
        let end = (self.at & !(size - 1)).checked_add(size);
        end.map_or(self.end, |end| end.min(self.end))
    }
}
