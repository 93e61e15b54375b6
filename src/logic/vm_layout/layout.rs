// SPDX-License-Identifier: GPL-2.0-only

//! The layout of a process's memory: the data of a report. Addresses and sizes are in bytes unless a name says pages
//! (4 KiB).

use crate::top_level::TopLevel;
use logic::comm::Comm;

/// A range of virtual addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The first address of the range.
    pub start: usize,
    /// The first address after the range.
    pub end: usize,
}

impl Span {
    /// Returns the size of the range in bytes.
    pub fn size(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// The permissions of an area, as `/proc/<pid>/maps` shows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// The process may read the area (`VM_READ`).
    pub read: bool,
    /// The process may write to the area (`VM_WRITE`).
    pub write: bool,
    /// The process may execute instructions in the area (`VM_EXEC`).
    pub execute: bool,
    /// The area is shared (`VM_MAYSHARE`), not private.
    pub shared: bool,
}

impl Permissions {
    /// Returns the four letters of `/proc/<pid>/maps`, such as `r-xp`.
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

/// Where the name of an area is among the names of all areas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NameRange {
    /// The index of the name's first byte.
    pub start: usize,
    /// The length of the name in bytes; 0 if the area has no name.
    pub len: usize,
}

/// One virtual memory area of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayoutArea {
    /// The area's addresses.
    pub span: Span,
    /// The area's permissions.
    pub permissions: Permissions,
    /// Where in its file the area begins, in bytes; 0 without a file.
    pub offset: u64,
    /// Where the area's name is in [`Layout::names`].
    pub name: NameRange,
}

/// The parts of an address space that the kernel knows by their purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segments {
    /// The program's instructions.
    pub code: Span,
    /// The program's initialized data.
    pub data: Span,
    /// The area of the main thread's stack.
    pub stack: Span,
    /// The memory that `brk(2)` allocated.
    pub heap: Span,
    /// The strings of `argv`.
    pub arguments: Span,
    /// The strings of `environ`.
    pub environment: Span,
}

impl Segments {
    /// Returns all segments with the names that reports show.
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
    /// Returns the number of pages that have a frame (`VmRSS`).
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
    /// The process's areas, by ascending addresses.
    pub areas: &'a [LayoutArea],
    /// The bytes to which the areas' name ranges refer.
    pub names: &'a [u8],
    /// The parts that the kernel knows by their purpose.
    pub segments: Segments,
    /// How much memory the process uses.
    pub usage: Usage,
    /// The process's top-level page table.
    pub top_level: TopLevel<'a>,
}

impl Layout<'_> {
    /// Returns the name of one of the areas.
    pub(crate) fn name(&self, area: &LayoutArea) -> &[u8] {
        let name = self.names.get(area.name.start..).unwrap_or(&[]);
        name.get(..area.name.len).unwrap_or(name)
    }
}
