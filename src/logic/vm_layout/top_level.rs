// SPDX-License-Identifier: GPL-2.0-only

//! The top-level page table of x86-64, entry by entry.
//!
//! C headers: `arch/x86/include/asm/pgtable_types.h` (`_PAGE_BIT_*`), `pgtable_64_types.h`.

use logic::text::{put_decimal, BufferFull, Print, Sink};
use logic::units::PAGE_SHIFT;

/// Entries of a page table of any level.
pub const ENTRIES: usize = 512;
/// Bits of an address that select an entry of one level.
const BITS_PER_LEVEL: u32 = 9;
/// Returns the kernel's name for a bit of a top-level entry.
fn flag_name(bit: u32) -> Option<&'static str> {
    Some(match bit {
        0 => "PRESENT",
        1 => "RW",
        2 => "USER",
        3 => "PWT",
        4 => "PCD",
        5 => "ACCESSED",
        6 => "DIRTY",
        7 => "PSE",
        8 => "GLOBAL",
        9 => "SOFTW1",
        10 => "SOFTW2",
        11 => "SOFTW3",
        57 => "SOFTW4",
        58 => "NOPTISHADOW",
        59 => "PKEY_BIT0",
        60 => "PKEY_BIT1",
        61 => "PKEY_BIT2",
        62 => "PKEY_BIT3",
        63 => "NX",
        _ => return None,
    })
}

/// One entry, split into address and flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopLevelEntry {
    /// The physical address of the next table.
    pub table: usize,
    /// All bits that are not part of the address.
    pub flag_bits: u64,
}

impl TopLevelEntry {
    /// Returns true if the entry is zero.
    pub fn is_empty(self) -> bool {
        self.table == 0 && self.flag_bits == 0
    }

    /// Returns the flags that are set, from the lowest bit to the highest.
    pub fn flags(self) -> impl Iterator<Item = Flag> {
        (0..u64::BITS)
            .filter(move |bit| self.flag_bits >> bit & 1 != 0)
            .map(Flag)
    }
}

/// A flag of an entry. It prints as its name, or as `BIT<n>` if it has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flag(u32);

impl Print for Flag {
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
        match flag_name(self.0) {
            Some(name) => out.put(name.as_bytes()),
            None => {
                out.put(b"BIT")?;
                put_decimal(out, u64::from(self.0))
            }
        }
    }
}

/// A used entry, or a run of neighbouring empty entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryRun {
    /// Entries that point to no table.
    Empty {
        /// The index of the first entry.
        first: usize,
        /// The index of the last entry.
        last: usize,
    },
    /// An entry that points to a table.
    Used {
        /// The index of the entry.
        index: usize,
        /// The entry itself.
        entry: TopLevelEntry,
    },
}

impl EntryRun {
    /// Returns the index of the first entry.
    pub fn first(&self) -> usize {
        match *self {
            Self::Empty { first, .. } => first,
            Self::Used { index, .. } => index,
        }
    }

    /// Returns the index of the last entry.
    pub fn last(&self) -> usize {
        match *self {
            Self::Empty { last, .. } => last,
            Self::Used { index, .. } => index,
        }
    }
}

/// The top-level page table of a process.
#[derive(Clone, Copy)]
pub struct TopLevel<'a> {
    entries: &'a [TopLevelEntry],
    shift: u32,
}

impl<'a> TopLevel<'a> {
    /// Returns the table with these entries, each of which maps `1 << shift` bytes: the shift is 39 with four levels of
    /// tables, 48 with five.
    pub fn new(entries: &'a [TopLevelEntry], shift: u32) -> Self {
        Self { entries, shift }
    }

    /// Returns the number of levels of page tables, this one included.
    pub fn levels(&self) -> u32 {
        1 + self.shift.saturating_sub(PAGE_SHIFT) / BITS_PER_LEVEL
    }

    /// Returns the number of entries.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Returns the number of entries that are not empty.
    pub fn used(&self) -> usize {
        let used = self.entries.iter().filter(|entry| !entry.is_empty());
        used.count()
    }

    /// Returns the first address that the entry at `index` maps. Addresses of the upper half are sign-extended, as the
    /// processor requires (canonical addresses).
    pub fn first_address(&self, index: usize) -> usize {
        let unused = usize::BITS - self.shift - BITS_PER_LEVEL;
        let shifted = index << self.shift << unused;
        (shifted as isize >> unused) as usize
    }

    /// Returns the last address that the entry at `index` maps.
    pub fn last_address(&self, index: usize) -> usize {
        self.first_address(index) | ((1 << self.shift) - 1)
    }

    /// Returns all entries in order, neighbouring empty ones as one run.
    pub fn runs(&self) -> impl Iterator<Item = EntryRun> + 'a {
        let entries = self.entries;
        let mut next = 0;
        core::iter::from_fn(move || {
            let index = next;
            let entry = *entries.get(index)?;
            if !entry.is_empty() {
                next += 1;
                return Some(EntryRun::Used { index, entry });
            }
            let rest = entries.get(index..).unwrap_or(&[]);
            let empty = rest.iter().take_while(|entry| entry.is_empty()).count();
            next += empty;
            Some(EntryRun::Empty {
                first: index,
                last: next - 1,
            })
        })
    }
}
