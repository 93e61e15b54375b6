// SPDX-License-Identifier: GPL-2.0-only

//! Where a process's memory lies, as `vm_layout` reports it (its statement, step 2): the data. Addresses
//! and sizes are in bytes unless a name says pages (4 KiB).

use crate::top_level::TopLevel;
use logic::comm::Comm;

/// A range of virtual addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// First address.
    pub start: usize,
    /// First address behind it.
    pub end: usize,
}

impl Span {
    /// Bytes in it.
    pub fn size(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// What a process may do with an area, as `/proc/<pid>/maps` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// `VM_READ`.
    pub read: bool,
    /// `VM_WRITE`.
    pub write: bool,
    /// `VM_EXEC`.
    pub execute: bool,
    /// `VM_MAYSHARE`.
    pub shared: bool,
}

impl Permissions {
    /// The four letters, such as `r-xp`.
    pub fn letters(self) -> [u8; 4] {
        let letter = |set, letter| if set { letter } else { b'-' };
        [
            letter(self.read, b'r'),
            letter(self.write, b'w'),
            letter(self.execute, b'x'),
            if self.shared { b's' } else { b'p' },
        ]
    }
}

/// The place of a name among all names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NameRange {
    /// Index of its first byte.
    pub start: usize,
    /// Its length in bytes; 0 if there is no name.
    pub len: usize,
}

/// One virtual memory area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayoutArea {
    /// Its addresses.
    pub span: Span,
    /// What may be done with it.
    pub permissions: Permissions,
    /// Where in the file it begins; 0 without a file.
    pub offset: u64,
    /// What it maps.
    pub name: NameRange,
}

/// The parts of an address space that the kernel knows by their purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segments {
    /// The program's instructions.
    pub code: Span,
    /// Its initialized data.
    pub data: Span,
    /// The area of the main thread's stack.
    pub stack: Span,
    /// What `brk(2)` gave.
    pub heap: Span,
    /// The strings of `argv`.
    pub arguments: Span,
    /// The strings of `environ`.
    pub environment: Span,
}

impl Segments {
    /// All of them under the names that reports show.
    pub(crate) fn named(&self) -> [(&'static str, Span); 6] {
        [
            ("code", self.code),
            ("data", self.data),
            ("stack", self.stack),
            ("heap", self.heap),
            ("arguments", self.arguments),
            ("environment", self.environment),
        ]
    }
}

/// How much memory an address space uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Pages of anonymous memory that have a frame (`RssAnon`).
    pub anonymous_pages: u64,
    /// Pages of files that have a frame (`RssFile`).
    pub file_pages: u64,
    /// Pages of shared memory that have a frame (`RssShmem`).
    pub shmem_pages: u64,
    /// Pages in swap (`VmSwap`).
    pub swap_pages: u64,
    /// Bytes of page tables (`VmPTE`).
    pub page_table_bytes: u64,
    /// Pages of all areas (`VmSize`).
    pub total_vm_pages: u64,
}

impl Usage {
    /// Frames in use (`VmRSS`).
    pub fn rss_pages(&self) -> u64 {
        self.anonymous_pages
            .saturating_add(self.file_pages)
            .saturating_add(self.shmem_pages)
    }
}

/// An address space at one moment.
#[derive(Clone, Copy)]
pub struct Layout<'a> {
    /// The process's id.
    pub pid: u32,
    /// The process's name.
    pub comm: &'a Comm,
    /// Its areas, ascending.
    pub areas: &'a [LayoutArea],
    /// What the areas' name ranges refer to.
    pub names: &'a [u8],
    /// Its parts by purpose.
    pub segments: Segments,
    /// What it uses.
    pub usage: Usage,
    /// Its top-level page table.
    pub top_level: TopLevel<'a>,
}

impl Layout<'_> {
    /// The name of one of the areas.
    pub(crate) fn name(&self, area: &LayoutArea) -> &[u8] {
        let name = self.names.get(area.name.start..).unwrap_or(&[]);
        name.get(..area.name.len).unwrap_or(name)
    }
}

/// True for the bytes of an area's name that are printed as they are, as in `/proc/<pid>/maps`.
pub(crate) fn is_raw_in_maps(byte: u8) -> bool {
    byte != b'\n'
}
