// SPDX-License-Identifier: GPL-2.0-only

//! One address space: its pages are counted with `pagemap`, and its read-only pages are read through `mem`.

use anyhow::{Context, Result};
use linux_raw_sys::general::{page_region, pm_scan_arg, PAGE_IS_PRESENT};
use procfs::process::{MMPermissions, MemoryMap, Process, VmFlags};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Size of a page in bytes.
const PAGE: u64 = 4096;
/// Number of pages whose pagemap entries are read at a time.
const STEP: u64 = 512;
/// Size in bytes from which only the populated parts of a mapping are examined.
const SPARSE: u64 = 1 << 30;
/// Bit of a pagemap entry that means that the page is present. Kernel documentation: `admin-guide/mm/pagemap.rst`.
const PRESENT: u64 = 1 << 63;

/// Contents of a page.
pub type Page = [u8; PAGE as usize];

/// Sizes of an address space in pages.
#[derive(Default)]
pub struct Sizes {
    /// Pages in all VMAs.
    pub total: u64,
    /// Pages that are present.
    pub valid: u64,
}

/// Counts the pages of the address space of the task whose directory is `task`. Calls `on_page` with each page that may
/// be shared if an identical page exists: a present page in a readable and not writable mapping of memory.
pub fn scan(task: &Path, mut on_page: impl FnMut(&Page)) -> Result<Sizes> {
    let doing = || format!("cannot examine {}", task.display());
    let process = Process::new_with_root(task.to_owned()).with_context(doing)?;
    let pagemap = process.open_relative("pagemap").with_context(doing)?;
    let mem = process.mem().with_context(doing)?;
    let mut sizes = Sizes::default();
    for vma in process.smaps().with_context(doing)? {
        let (start, end) = vma.address;
        // [vsyscall] is not a VMA of the process: it is in the half of the kernel.
        if start >= 1 << 63 {
            continue;
        }
        sizes.total += (end - start) / PAGE;
        let contents = has_contents(&vma).then_some(&mem);
        for (start, end) in populated_parts(&pagemap, start, end)? {
            sizes.valid +=
                scan_part(&pagemap, contents, start, end, &mut on_page).with_context(|| {
                    format!("cannot examine {start:x}-{end:x} of {}", task.display())
                })?;
        }
    }
    Ok(sizes)
}

/// Returns true if `vma` is read-only memory of the process. A VMA with one of the flags `io`, `pf` and `mm` in smaps
/// (device memory, bare frames, and pages that a driver or the kernel inserted, such as `[vvar]`) is not, even if `mem` can
/// read it.
fn has_contents(vma: &MemoryMap) -> bool {
    vma.perms.contains(MMPermissions::READ)
        && !vma.perms.contains(MMPermissions::WRITE)
        && !vma
            .extension
            .vm_flags
            .intersects(VmFlags::IO | VmFlags::PF | VmFlags::MM)
}

/// Counts the present pages from `start` to `end`. Calls `on_page` with each of them that `mem` can read.
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
            // Memory that cannot be read, such as that of memfd_secret(2), cannot be shared.
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

const EMPTY_REGION: page_region = page_region {
    start: 0,
    end: 0,
    categories: 0,
};

/// Returns ranges of addresses that contain all present pages from `start` to `end`.
fn populated_parts(pagemap: &File, start: u64, end: u64) -> Result<Vec<(u64, u64)>> {
    if end - start < SPARSE {
        return Ok(vec![(start, end)]);
    }
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let mut regions = [EMPTY_REGION; 64];
        let mut argument = pm_scan_arg {
            size: size_of::<pm_scan_arg>() as u64,
            flags: 0,
            start: at,
            end,
            walk_end: 0,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            max_pages: 0,
            category_inverted: 0,
            category_mask: u64::from(PAGE_IS_PRESENT),
            category_anyof_mask: 0,
            return_mask: u64::from(PAGE_IS_PRESENT),
        };
        // SAFETY: By the contract of PAGEMAP_SCAN, it reads and writes `argument` and writes at most `vec_len` regions to
        // `vec`; both live during the call.
        let found = unsafe { pagemap_scan(pagemap.as_raw_fd(), &mut argument) }
            .context("cannot find the populated parts of a large mapping with PAGEMAP_SCAN")?;
        parts.extend(
            regions[..found as usize]
                .iter()
                .map(|region| (region.start, region.end)),
        );
        at = argument.walk_end;
    }
    Ok(parts)
}

nix::ioctl_readwrite!(pagemap_scan, b'f', 16, pm_scan_arg);
