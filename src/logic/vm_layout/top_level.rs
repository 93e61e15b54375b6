// SPDX-License-Identifier: GPL-2.0-only

//! The top-level page table of x86-64, parsed.
//!
//! C headers: `arch/x86/include/asm/pgtable_types.h` (`_PAGE_BIT_*`), `pgtable_64_types.h`.

use logic::text::{put_decimal, BufferFull, Print, Sink};
use logic::units::PAGE_SHIFT;

/// Entries of a table of any level.
pub const ENTRIES: usize = 512;
/// Bits of an address that select an entry of one level.
const BITS_PER_LEVEL: u32 = 9;
/// The name that the kernel has for a bit of a top-level entry.
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

/// One entry, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopLevelEntry {
    /// Physical address of the next table.
    pub table: usize,
    /// All other bits.
    pub flag_bits: u64,
}

impl TopLevelEntry {
    /// True if nothing is there.
    pub fn is_empty(self) -> bool {
        self.table == 0 && self.flag_bits == 0
    }

    /// The flags that are set, from the lowest bit up.
    pub fn flags(self) -> impl Iterator<Item = Flag> {
        (0..u64::BITS)
            .filter(move |bit| self.flag_bits >> bit & 1 != 0)
            .map(Flag)
    }
}

/// A bit of an entry. Prints as its name, or as `BIT<n>` if it has none.
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

/// A used entry, or neighbouring empty ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// Entries without a next table.
    Empty {
        /// Index of the first one.
        first: usize,
        /// Index of the last one.
        last: usize,
    },
    /// An entry with a next table.
    Used {
        /// Its index.
        index: usize,
        /// What it holds.
        entry: TopLevelEntry,
    },
}

impl Run {
    /// Index of its first entry.
    pub fn first(&self) -> usize {
        match *self {
            Self::Empty { first, .. } => first,
            Self::Used { index, .. } => index,
        }
    }

    /// Index of its last entry.
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
    /// The table with these entries, each of which covers `1 << shift` bytes: 39 with four levels, 48
    /// with five.
    pub fn new(entries: &'a [TopLevelEntry], shift: u32) -> Self {
        Self { entries, shift }
    }

    /// Levels of the page tables, this one included.
    pub fn levels(&self) -> u32 {
        1 + self.shift.saturating_sub(PAGE_SHIFT) / BITS_PER_LEVEL
    }

    /// Entries in all.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Entries that are used.
    pub fn used(&self) -> usize {
        let used = self.entries.iter().filter(|entry| !entry.is_empty());
        used.count()
    }

    /// The first address that the entry at `index` covers. Those of the upper half continue the
    /// topmost bit of the index, as the processor requires.
    pub fn first_address(&self, index: usize) -> usize {
        let unused = usize::BITS - self.shift - BITS_PER_LEVEL;
        let shifted = index << self.shift << unused;
        (shifted as isize >> unused) as usize
    }

    /// The last address that the entry at `index` covers.
    pub fn last_address(&self, index: usize) -> usize {
        self.first_address(index) | ((1 << self.shift) - 1)
    }

    /// All entries in order, the empty ones together.
    pub fn runs(&self) -> impl Iterator<Item = Run> + 'a {
        let entries = self.entries;
        let mut next = 0;
        core::iter::from_fn(move || {
            let index = next;
            let entry = *entries.get(index)?;
            if !entry.is_empty() {
                next += 1;
                return Some(Run::Used { index, entry });
            }
            let rest = entries.get(index..).unwrap_or(&[]);
            let empty = rest.iter().take_while(|entry| entry.is_empty()).count();
            next += empty;
            Some(Run::Empty {
                first: index,
                last: next - 1,
            })
        })
    }
}
