// SPDX-License-Identifier: GPL-2.0-only

//! The top-level page table, compared with what the kernel shows about memory.
//!
//! `/proc/<pid>/pagemap` shows which pages are present and their frames, `/proc/kpageflags` which frames are page tables,
//! and `/proc/kcore` their contents. So the page walk of the processor can be repeated from the reported entry on.

use super::{Entry, Report};
use crate::case::check_eq;
use anyhow::{ensure, Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Size of a page in bytes.
const PAGE: u64 = 4096;
/// Bit of a pagemap entry that means that the page is present. Kernel documentation: `admin-guide/mm/pagemap.rst`.
const PRESENT: u64 = 1 << 63;
/// Bits of a pagemap entry that contain the number of the frame.
const FRAME: u64 = (1 << 55) - 1;
/// Flag of a frame that is a page table (`KPF_PGTABLE`) in `/proc/kpageflags`.
const IS_PAGE_TABLE: u64 = 1 << 26;
/// Bits of a page-table entry that contain a physical address.
const PHYSICAL: u64 = 0x000f_ffff_ffff_f000;
/// Bit of a page-table entry that maps a huge page.
const IS_LARGE: u64 = 1 << 7;
/// Number of pages for which the page walk is repeated in each area.
const WALKED: usize = 3;

/// Physical memory, read through the kernel's mapping of it in `/proc/kcore`.
struct PhysicalMemory {
    core: File,
    /// Physical address, size, and offset in the file of each segment, in bytes.
    segments: Vec<(u64, u64, u64)>,
}

impl PhysicalMemory {
    /// Opens `/proc/kcore`. Returns nothing if this kernel does not have it.
    fn open() -> Result<Option<Self>> {
        const PATH: &str = "/proc/kcore";
        if !Path::new(PATH).exists() {
            return Ok(None);
        }
        let core = File::open(PATH).context("cannot open /proc/kcore")?;
        // C header: include/uapi/linux/elf.h, `Elf64_Ehdr` and `Elf64_Phdr`.
        let mut header = [0; 64];
        core.read_exact_at(&mut header, 0)?;
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let (size, count) = (half(54), half(56));
        let mut segments = Vec::new();
        for index in 0..count {
            let mut program = [0; 56];
            core.read_exact_at(&mut program, 64 + u64::from(index) * u64::from(size))?;
            let long = |at: usize| word(&program[at..]);
            segments.push((long(24), long(32), long(8)));
        }
        Ok(Some(Self { core, segments }))
    }

    /// Reads the eight bytes at a physical address.
    fn word_at(&self, address: u64) -> Result<u64> {
        let (start, _, offset) = self
            .segments
            .iter()
            .find(|(start, size, _)| {
                *start != u64::MAX && address >= *start && address - start < *size
            })
            .with_context(|| {
                format!("/proc/kcore does not contain the physical address {address:#x}")
            })?;
        let mut bytes = [0; 8];
        self.core
            .read_exact_at(&mut bytes, offset + (address - start))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Returns the frame to which the tables below a top-level entry map `address`.
    fn walk(&self, entry: &Entry, levels: u64, address: u64) -> Result<u64> {
        let mut table = entry.table;
        for level in (1..levels).rev() {
            let shift = 12 + 9 * (level - 1);
            let value = self.word_at(table + 8 * (address >> shift & 0x1ff))?;
            ensure!(
                value & 1 != 0,
                "{address:x} is not present in its table of level {level}"
            );
            let within = (1u64 << shift) - 1;
            if level == 1 || value & IS_LARGE != 0 {
                let start = value & PHYSICAL & !within;
                return Ok((start | (address & within)) / PAGE);
            }
            table = value & PHYSICAL;
        }
        anyhow::bail!("the page walk does not end at the last level")
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_ne_bytes(word)
}

/// Returns the number of levels of page tables that this machine uses.
fn levels() -> Result<u64> {
    let processors =
        std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    // The kernel hides the flag if it does not use the fifth level.
    let five = processors.split_whitespace().any(|flag| flag == "la57");
    Ok(if five { 5 } else { 4 })
}

fn entry_at(file: &File, index: u64) -> Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, index * 8)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Requires that the used entries of the lower half are those whose addresses are mapped, that they point to page tables,
/// and that these tables map the pages of the process. Returns the number of pages for which the page walk was repeated.
pub fn check(report: &Report) -> Result<usize> {
    let pagemap = File::open(format!("/proc/{}/pagemap", report.pid))?;
    let flags = File::open("/proc/kpageflags").context("cannot open /proc/kpageflags")?;
    let memory = PhysicalMemory::open()?;
    check_eq("levels", report.levels, levels()?)?;
    let lower = || report.entries.iter().filter(|entry| entry.index < 256);
    for entry in &report.entries {
        let what = format!("entry {}", entry.index);
        let flag = entry_at(&flags, entry.table / PAGE)?;
        ensure!(
            entry.index >= 256 || flag & IS_PAGE_TABLE != 0,
            "{what} points to {:x}, which is not a page table: its flags are {flag:x}",
            entry.table
        );
        let has = |wanted: &str| entry.flags.iter().any(|flag| flag == wanted);
        ensure!(
            has("PRESENT") && (entry.index >= 256 || has("USER") && has("RW")),
            "{what} is used, but lacks flags: {entry:?}"
        );
        let mut areas = report.areas.iter().map(|area| area.span);
        ensure!(
            entry.index >= 256
                || areas.any(|span| span.start <= entry.covers.1 && span.end > entry.covers.0),
            "{what} does not cover any area"
        );
    }
    let mut walked = 0;
    for area in &report.areas {
        let mut found = 0;
        for page in (area.span.start / PAGE..area.span.end / PAGE).take(10_000) {
            if found == WALKED {
                break;
            }
            let mapped = entry_at(&pagemap, page)?;
            if mapped & PRESENT == 0 {
                continue;
            }
            found += 1;
            let address = page * PAGE;
            let entry = lower()
                .find(|entry| (entry.covers.0..=entry.covers.1).contains(&address))
                .with_context(|| {
                    format!("{address:x} is present, but its top-level entry is empty")
                })?;
            // Page-table entries without permissions are not present for the processor.
            let visible = !area.permissions.starts_with("---");
            if let (Some(memory), true) = (&memory, visible) {
                let frame = memory.walk(entry, report.levels, address)?;
                check_eq(&format!("frame of {address:x}"), frame, mapped & FRAME)?;
                walked += 1;
            }
        }
    }
    Ok(walked)
}
