// SPDX-License-Identifier: GPL-2.0-only

//! One address space: its pages counted by `pagemap`, its read-only contents read through `mem`.

use anyhow::{Context, Result};
use procfs::process::{MMPermissions, MemoryMap, Process, VmFlags};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE: u64 = 4096;
/// Pages whose pagemap entries are read at a time.
const STEP: u64 = 512;
/// From this size on, in bytes, only the populated parts of a mapping are walked.
const SPARSE: u64 = 1 << 30;
/// Bit 63 of a pagemap entry. Documentation: `admin-guide/mm/pagemap.rst` of the kernel.
const PRESENT: u64 = 1 << 63;

/// The contents of a page.
pub type Page = [u8; PAGE as usize];

/// Sizes of an address space, in pages.
#[derive(Default)]
pub struct Sizes {
    /// Pages in all VMAs.
    pub total: u64,
    /// Those that are present.
    pub valid: u64,
}

/// Counts the pages of the address space of the task in the directory `task`, and shows `on_page` each
/// page that may be shared if it has a partner: present, in a readable and not writable mapping of memory.
pub fn scan(task: &Path, mut on_page: impl FnMut(&Page)) -> Result<Sizes> {
    let doing = || format!("cannot look at {}", task.display());
    let process = Process::new_with_root(task.to_owned()).with_context(doing)?;
    let pagemap = process.open_relative("pagemap").with_context(doing)?;
    let mem = process.mem().with_context(doing)?;
    let mut sizes = Sizes::default();
    for vma in process.smaps().with_context(doing)? {
        let (start, end) = vma.address;
        // [vsyscall] is no VMA: it lies in the kernel's half.
        if start >= 1 << 63 {
            continue;
        }
        sizes.total += (end - start) / PAGE;
        let contents = has_contents(&vma).then_some(&mem);
        for (start, end) in populated_parts(&pagemap, start, end)? {
            sizes.valid +=
                scan_part(&pagemap, contents, start, end, &mut on_page).with_context(|| {
                    format!("cannot look at {start:x}-{end:x} of {}", task.display())
                })?;
        }
    }
    Ok(sizes)
}

/// Returns whether `vma` is read-only memory of the process. What smaps flags `io`, `pf` or `mm` (device
/// memory, bare frames, and pages that a driver or the kernel inserted, such as `[vvar]`) is not, even
/// where `mem` can read it.
fn has_contents(vma: &MemoryMap) -> bool {
    vma.perms.contains(MMPermissions::READ)
        && !vma.perms.contains(MMPermissions::WRITE)
        && !vma
            .extension
            .vm_flags
            .intersects(VmFlags::IO | VmFlags::PF | VmFlags::MM)
}

/// Counts the present pages from `start` to `end` and shows those that `mem` can read.
fn scan_part(
    pagemap: &File,
    mem: Option<&File>,
    start: u64,
    end: u64,
    on_page: &mut impl FnMut(&Page),
) -> Result<u64> {
    let mut valid = 0;
    let mut entries = [0; (STEP * 8) as usize];
    let mut at = start;
    while at < end {
        let pages = STEP.min((end - at) / PAGE);
        let entries = &mut entries[..(pages * 8) as usize];
        pagemap.read_exact_at(entries, at / PAGE * 8)?;
        for (index, entry) in entries.chunks_exact(8).enumerate() {
            let entry = entry.try_into().map_or(0, u64::from_ne_bytes);
            if entry & PRESENT == 0 {
                continue;
            }
            valid += 1;
            let mut page = [0; PAGE as usize];
            // Unreadable memory, such as memfd_secret's, has no contents that could be shared.
            if mem.is_some_and(|mem| {
                mem.read_exact_at(&mut page, at + index as u64 * PAGE)
                    .is_ok()
            }) {
                on_page(&page);
            }
        }
        at += pages * PAGE;
    }
    Ok(valid)
}

/// The parts of a mapping that hold all its present pages.
fn populated_parts(pagemap: &File, start: u64, end: u64) -> Result<Vec<(u64, u64)>> {
    if end - start < SPARSE {
        return Ok(vec![(start, end)]);
    }
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let mut regions = [PageRegion::default(); 64];
        let mut argument = PmScanArg {
            size: size_of::<PmScanArg>() as u64,
            start: at,
            end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            category_mask: PAGE_IS_PRESENT,
            return_mask: PAGE_IS_PRESENT,
            ..Default::default()
        };
        // SAFETY: `argument` is the structure that this ioctl takes, and `vec` points to `vec_len` regions.
        let found = unsafe { pagemap_scan(pagemap.as_raw_fd(), &mut argument) }
            .context("cannot find the populated parts of a large mapping by PAGEMAP_SCAN")?;
        parts.extend(
            regions[..found as usize]
                .iter()
                .map(|region| (region.start, region.end)),
        );
        at = argument.walk_end;
    }
    Ok(parts)
}

/// `PAGE_IS_PRESENT`. C header, also of what follows: `include/uapi/linux/fs.h`.
const PAGE_IS_PRESENT: u64 = 1 << 3;

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct PmScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

nix::ioctl_readwrite!(pagemap_scan, b'f', 16, PmScanArg);
