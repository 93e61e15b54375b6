// SPDX-License-Identifier: GPL-2.0-only

//! The interface of `vm_layout`: its command file, and its reports as parsed from text and from JSON.

mod json;
pub mod oracle;
pub mod page_tables;
mod text;

pub use json::parse as parse_json;
pub use text::parse as parse_text;

use crate::command_file::CommandFile;
use std::collections::BTreeMap;
use std::fmt;

/// The command file.
pub const FILE: CommandFile = CommandFile::at("/proc/vm_layout");

/// Whole answer to a malformed command.
pub const INVALID: &str = "[ERROR]: Invalid argument\n";
/// Whole answer to a command that could not be copied from the caller.
pub const BAD_ADDRESS: &str = "[ERROR]: Bad address\n";
/// Whole answer to a command for which memory was exhausted.
pub const NO_MEMORY: &str = "[ERROR]: Memory allocation error\n";
/// Whole answer to a command with a number that no process has.
pub const NO_PROCESS: &str = "[ERROR]: No such process\n";

/// A range of addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First address of the range.
    pub start: u64,
    /// First address after the range.
    pub end: u64,
    /// Size in bytes as it was reported.
    pub size: u64,
}

impl Span {
    /// Returns the range with the size that must be reported for it.
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

/// A VMA of the process.
#[derive(Clone, PartialEq, Eq)]
pub struct Area {
    /// Addresses that the VMA covers.
    pub span: Span,
    /// Permissions in the form of `/proc/<pid>/maps`, such as `r-xp`.
    pub permissions: String,
    /// Offset into the mapped file in bytes.
    pub offset: u64,
    /// Name in the form of `/proc/<pid>/maps`; empty if the VMA has none.
    pub name: Vec<u8>,
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (span, name) = (self.span, self.name.escape_ascii());
        write!(f, "{span:?} {} {:x} {name}", self.permissions, self.offset)
    }
}

/// An entry of the top-level page table that is in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Index of the entry in the table, less than 512.
    pub index: usize,
    /// First and last address that the entry covers.
    pub covers: (u64, u64),
    /// Physical address of the next table in bytes.
    pub table: u64,
    /// Names of the flags that are set.
    pub flags: Vec<String>,
}

/// A whole report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Thread group id of the process.
    pub pid: i32,
    /// Name of the process as it is printed.
    pub name: Vec<u8>,
    /// VMAs in the order of the report.
    pub areas: Vec<Area>,
    /// Ranges of the [`SEGMENTS`], by name.
    pub segments: BTreeMap<String, Span>,
    /// Memory in use, by the label of the text report: numbers of pages, but bytes for "page tables".
    pub usage: BTreeMap<&'static str, u64>,
    /// Number of levels of page tables.
    pub levels: u64,
    /// Used entries of the top-level page table in ascending order.
    pub entries: Vec<Entry>,
}

/// Names of the segments of a process that a report lists.
pub const SEGMENTS: [&str; 6] = ["code", "data", "stack", "heap", "arguments", "environment"];
