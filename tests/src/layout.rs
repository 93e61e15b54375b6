// SPDX-License-Identifier: GPL-2.0-only

//! What `vm_layout` reports, parsed from its text and from its JSON.

mod json;
pub mod oracle;
pub mod page_tables;
mod text;

pub use json::parse as parse_json;
pub use text::parse as parse_text;

use std::collections::BTreeMap;
use std::fmt;

/// A range of addresses, its end exclusive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
    /// Bytes, as they were reported.
    pub size: u64,
}

impl Span {
    /// The range with the size that it should have.
    pub fn new(start: u64, end: u64) -> Self {
        Self {
            start,
            end,
            size: end - start,
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x} ({} bytes)", self.start, self.end, self.size)
    }
}

/// One area.
#[derive(Clone, PartialEq, Eq)]
pub struct Area {
    pub span: Span,
    pub permissions: String,
    pub offset: u64,
    /// As in `/proc/<pid>/maps`.
    pub name: Vec<u8>,
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (span, name) = (self.span, self.name.escape_ascii());
        write!(f, "{span:?} {} {:x} {name}", self.permissions, self.offset)
    }
}

/// A used entry of the top-level page table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub index: usize,
    /// The first and the last address that it covers.
    pub covers: (u64, u64),
    /// Physical address of the next table.
    pub table: u64,
    pub flags: Vec<String>,
}

/// A whole report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub pid: i32,
    /// The name as it is printed.
    pub name: Vec<u8>,
    pub areas: Vec<Area>,
    /// code, data, stack, heap, arguments, environment.
    pub segments: BTreeMap<String, Span>,
    /// Pages, but bytes of page tables: the words of the text report.
    pub usage: BTreeMap<&'static str, u64>,
    pub levels: u64,
    pub entries: Vec<Entry>,
}

/// The names of the segments.
pub const SEGMENTS: [&str; 6] = ["code", "data", "stack", "heap", "arguments", "environment"];
