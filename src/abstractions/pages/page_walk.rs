// SPDX-License-Identifier: GPL-2.0-only

//! A walk over the page tables of one area, which shows the pages that are present.
//!
//! `walk_page_range()` is not exported to modules. An entry of an upper level that has no table is skipped as
//! a whole, so the cost is that of the populated tables, whatever the size of the area.
//!
//! # Why tables stay while they are read
//!
//! The tables of an area are freed only by a holder of the area's lock for writing, or after an RCU grace period
//! (last-level tables that became empty or were collapsed into a huge page, and tables of hugetlb pages that
//! processes share). The caller holds the area's lock for reading, or `mmap_lock`, and the RCU read-side lock.
//!
//! No page-table lock is taken. An entry is read once, in one piece, and whoever reads the page asks afterwards
//! whether the entry has changed (see [`crate::mapped_page`]).
//!
//! # hugetlb
//!
//! Processes that share a hugetlb file share the tables of its 2 MiB pages. When one of them unmaps a part, it leaves
//! the table to the others, who may then map other things in it, at once and not after a grace period. So
//! each entry is valid only if the entry above still points to its table afterwards, and no table is entered
//! below: there are no 4 KiB pages in a hugetlb area.
//!
//! C headers: `include/linux/pgtable.h`, `include/linux/mm.h`, `include/linux/hugetlb.h`; model: `mm/pagewalk.c`,
//! `gup_fast()` of `mm/gup.c`.

use crate::mapped_page::{AreaKind, Entry, MappedPage};
use abstractions::bindings;
use abstractions_mm::area::Area;
use core::marker::PhantomData;
use core::ops::{ControlFlow, Range};
use kernel::bindings::{mm_struct, p4d_t, pmd_t, pud_t};
use kernel::sync::rcu;
use logic::units::{Pfn, PAGE_SIZE};

/// What the caller of a walk does with the pages.
pub trait Visitor<'w> {
    /// Visits one present page, under the RCU read-side lock: it must not sleep.
    ///
    /// After `Break`, the walk ends before this page, and a next walk may start at its address.
    fn visit(&mut self, page: MappedPage<'w>) -> ControlFlow<()>;

    /// Is told that the page at this address, or a huge page from there on, is being moved to another frame, so that it
    /// is not present for a moment. After `Continue`, the walk goes on behind it.
    ///
    /// After `Break`, the walk ends before this page.
    #[inline]
    fn visit_moving(&mut self, _address: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

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
pub fn walk<'w>(
    area: Area<'w>,
    _guard: &'w rcu::Guard,
    range: Range<usize>,
    max_entries: usize,
    visitor: &mut impl Visitor<'w>,
) -> Progress {
    let start = range.start.max(area.start());
    let end = range.end.min(area.end()).max(start);
    if area.is_pfn_map() {
        return Progress {
            reached: end,
            entries: 1,
        };
    }
    // INVARIANT: The area is locked for `'w`, the range is clamped to it, and the guard is of the RCU read-side
    // lock.
    let mut walk = PageWalk {
        mm: area.mm().as_raw(),
        area: AreaKind {
            readable: area.has_readable_pages(),
            anonymous: area.is_anonymous() && area.file().is_none(),
        },
        is_hugetlb: area.is_hugetlb(),
        end,
        at: start,
        entries: 0,
        max_entries,
        visitor,
        _walk: PhantomData,
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
/// `mm` is alive; `at..end` lies in one of its areas, whose lock is held; the calling thread is in an RCU read-side
/// critical section.
struct PageWalk<'a, 'w, V> {
    mm: *mut mm_struct,
    area: AreaKind,
    is_hugetlb: bool,
    end: usize,
    at: usize,
    entries: usize,
    max_entries: usize,
    visitor: &'a mut V,
    _walk: PhantomData<&'w rcu::Guard>,
}

impl<'w, V: Visitor<'w>> PageWalk<'_, 'w, V> {
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
            let (is_table, value) = unsafe {
                (
                    bindings::abstractions_pud_is_table(pud),
                    bindings::abstractions_leaf_pud(pud),
                )
            };
            if is_table {
                self.walk_pmd_table(pudp, pud)?;
            } else if value != 0 {
                self.descend(bindings::ABSTRACTIONS_PUD_SIZE, |walk| {
                    walk.visit_huge(value, Entry::Pud { pudp }, bindings::ABSTRACTIONS_PUD_SIZE)
                })?;
            } else {
                self.skip(bindings::ABSTRACTIONS_PUD_SIZE)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Walks the tables below one pud entry, which pointed to a table when it was read. Returns early if it does
    /// not any more: then the caller reads it again.
    fn walk_pmd_table(&mut self, pudp: *mut pud_t, pud: pud_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_PUD_SIZE);
        while self.at < end {
            // SAFETY: The entry pointed to a table when it was read, and the table stays by the type invariants.
            let pmdp = unsafe { bindings::abstractions_pmd_offset(pudp, pud, self.at) };
            // SAFETY: `pmdp` points to an entry of a table that stays by the type invariants.
            let pmd = unsafe { bindings::abstractions_pmdp_get(pmdp) };
            if self.is_hugetlb && !self.is_table_of(pudp, pud) {
                return self.count(1);
            }
            // SAFETY: FFI calls with no additional requirements: they are functions of a value.
            let (is_table, value) = unsafe {
                (
                    bindings::abstractions_pmd_is_table(pmd),
                    bindings::abstractions_leaf_pmd(pmd),
                )
            };
            if is_table && !self.is_hugetlb {
                self.descend(bindings::ABSTRACTIONS_PMD_SIZE, |walk| {
                    walk.walk_pte_table(pmdp, pmd)
                })?;
            } else if value == bindings::ABSTRACTIONS_ENTRY_MOVING {
                self.visitor.visit_moving(self.at)?;
                self.skip(bindings::ABSTRACTIONS_PMD_SIZE)?;
            } else if value != 0 {
                let entry = Entry::Pmd { pmdp, pudp, pud };
                self.descend(bindings::ABSTRACTIONS_PMD_SIZE, |walk| {
                    walk.visit_huge(value, entry, bindings::ABSTRACTIONS_PMD_SIZE)
                })?;
            } else {
                self.skip(bindings::ABSTRACTIONS_PMD_SIZE)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Returns true if the entry still points to the table that `pud` points to.
    fn is_table_of(&self, pudp: *mut pud_t, pud: pud_t) -> bool {
        // SAFETY: `pudp` points to an entry of a table that stays by the type invariants. The comparison is of
        // values.
        unsafe {
            bindings::abstractions_pud_is_same_table(pud, bindings::abstractions_pudp_get(pudp))
        }
    }

    /// Visits the pages of one last-level table.
    fn walk_pte_table(&mut self, pmdp: *mut pmd_t, pmd: pmd_t) -> ControlFlow<()> {
        let end = self.end_of(bindings::ABSTRACTIONS_PMD_SIZE);
        // SAFETY: `pmd` points to a table that stays by the type invariants, and `at` is in its range.
        let mut ptep = unsafe { bindings::abstractions_pte_offset(pmd, self.at) };
        while self.at < end {
            // SAFETY: `ptep` points to an entry of the table, since `at` is in the table's range.
            let value = unsafe { bindings::abstractions_leaf_pte(ptep) };
            if value == bindings::ABSTRACTIONS_ENTRY_MOVING {
                self.visitor.visit_moving(self.at)?;
            } else if value != 0 {
                self.visit(value, 0, Entry::Pte { ptep, pmdp, pmd })?;
            }
            self.skip(PAGE_SIZE)?;
            // After the last entry, this points just past the table, and is not read.
            ptep = ptep.wrapping_add(1);
        }
        ControlFlow::Continue(())
    }

    /// Visits the rest of a huge mapping of `size` bytes.
    fn visit_huge(&mut self, value: usize, entry: Entry, size: usize) -> ControlFlow<()> {
        let end = self.end_of(size);
        while self.at < end {
            let within = (self.at & (size - 1)) / PAGE_SIZE;
            self.visit(value, within, entry)?;
            self.skip(PAGE_SIZE)?;
        }
        ControlFlow::Continue(())
    }

    /// Visits the page at `at`, which is the one with number `within` of those that the entry maps.
    fn visit(&mut self, value: usize, within: usize, entry: Entry) -> ControlFlow<()> {
        let first: Pfn = value >> bindings::ABSTRACTIONS_ENTRY_PFN_SHIFT;
        // INVARIANT: The entries are of tables that stay by the type invariants, as long as the walk does.
        self.visitor.visit(MappedPage {
            address: self.at & !(PAGE_SIZE - 1),
            pfn: first + within,
            area: self.area,
            entry,
            value,
            _walk: PhantomData,
        })
    }

    /// Returns where the range of the current entry of `size` bytes ends, or the walk if that is lower.
    fn end_of(&self, size: usize) -> usize {
        let end = (self.at & !(size - 1)).checked_add(size);
        end.map_or(self.end, |end| end.min(self.end))
    }
}
