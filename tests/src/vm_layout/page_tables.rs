// SPDX-License-Identifier: GPL-2.0-only

//! The top-level page table against what the kernel shows of memory: `/proc/<pid>/pagemap` says which
//! pages are present and where, `/proc/kpageflags` which frames are page tables, and `/proc/kcore` what
//! they hold, so that the walk that the processor does can be done from the reported entry on.

use super::{Entry, Report};
use crate::case::check_eq;
use anyhow::{ensure, Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE: u64 = 4096;
/// Bit 63 of a pagemap entry, and those of the frame's number. Documentation, also of what follows:
/// `admin-guide/mm/pagemap.rst` of the kernel.
const PRESENT: u64 = 1 << 63;
const FRAME: u64 = (1 << 55) - 1;
/// `KPF_PGTABLE`.
const IS_PAGE_TABLE: u64 = 1 << 26;
/// Bits of a page-table entry that hold a physical address, and the one that ends a walk early.
const PHYSICAL: u64 = 0x000f_ffff_ffff_f000;
const IS_LARGE: u64 = 1 << 7;
/// Pages whose way is walked in each area.
const WALKED: usize = 3;

/// Physical memory, read through the kernel's own mapping of it.
struct PhysicalMemory {
    core: File,
    /// Physical start, size, and place in the file.
    segments: Vec<(u64, u64, u64)>,
}

impl PhysicalMemory {
    /// Nothing where the kernel does not show it.
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

    /// The eight bytes at a physical address.
    fn word_at(&self, address: u64) -> Result<u64> {
        let (start, _, offset) = self
            .segments
            .iter()
            .find(|(start, size, _)| {
                *start != u64::MAX && address >= *start && address - start < *size
            })
            .with_context(|| format!("no memory is at the physical address {address:#x}"))?;
        let mut bytes = [0; 8];
        self.core
            .read_exact_at(&mut bytes, offset + (address - start))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// The frame that maps `address`, by the tables below a top-level entry.
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
        anyhow::bail!("a walk without an end")
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_ne_bytes(word)
}

/// Levels of page tables that this machine uses.
fn levels() -> Result<u64> {
    let processors =
        std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    // The kernel hides the flag of what it does not use.
    let five = processors.split_whitespace().any(|flag| flag == "la57");
    Ok(if five { 5 } else { 4 })
}

fn entry_at(file: &File, index: u64) -> Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, index * 8)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Requires that the used entries of the lower half are those under which something is mapped, that
/// they point to page tables, and that these lead to the process's pages. Returns how many pages were
/// walked to.
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
            "{what} points to {:x}, which is no page table: its flags are {flag:x}",
            entry.table
        );
        let has = |wanted: &str| entry.flags.iter().any(|flag| flag == wanted);
        ensure!(
            has("PRESENT") && (entry.index >= 256 || has("USER") && has("RW")),
            "{what} is used and lacks flags: {entry:?}"
        );
        let mut areas = report.areas.iter().map(|area| area.span);
        ensure!(
            entry.index >= 256
                || areas.any(|span| span.start <= entry.covers.1 && span.end > entry.covers.0),
            "{what} covers no area"
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
                    format!("{address:x} is present, but its top-level entry empty")
                })?;
            // The processor sees pages without permissions as absent.
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
