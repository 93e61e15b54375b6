// SPDX-License-Identifier: GPL-2.0-only

//! Read-only huge pages.

use anyhow::{ensure, Context, Result};
use guest::mapping::{Area, HUGE, PAGE, RO, RW};
use linux_raw_sys::general::MADV_COLLAPSE;
use nix::sys::mman::{MapFlags, MmapAdvise};
use procfs::process::Process;
use std::fs::OpenOptions;

/// Number of pages of a huge page.
const PAGES: usize = HUGE / PAGE;

/// Returns the number of bytes that smaps counts under `label` in the VMA in which `area` begins.
fn mapped_huge(area: &Area, label: &str) -> Result<u64> {
    let at = area.first_page() * PAGE as u64;
    let smaps = Process::myself()?.smaps()?;
    let vma = smaps
        .iter()
        .find(|vma| (vma.address.0..vma.address.1).contains(&at));
    Ok(vma
        .and_then(|vma| vma.extension.map.get(label).copied())
        .unwrap_or(0))
}

/// Maps `huge` huge pages and fills them.
fn filled(huge: usize) -> Result<Area> {
    let area = Area::huge_aligned(huge)?;
    area.advise(MmapAdvise::MADV_HUGEPAGE)?;
    area.fill_all(|index| index as u64 % 200);
    if mapped_huge(&area, "AnonHugePages")? < huge as u64 * HUGE as u64 {
        collapse(&area)?;
    }
    let bytes = mapped_huge(&area, "AnonHugePages")?;
    ensure!(
        bytes >= huge as u64 * HUGE as u64,
        "only {bytes} bytes are mapped by huge pages"
    );
    Ok(area)
}

/// Makes huge pages of the pages of `area` (`MADV_COLLAPSE`).
fn collapse(area: &Area) -> Result<()> {
    area.advise_by_number(MADV_COLLAPSE)
        .context("cannot make huge pages with MADV_COLLAPSE")
}

/// Makes two huge pages, which are read-only as a whole.
pub fn whole(_: &str) -> Result<()> {
    let area = filled(2)?;
    area.protect(RO)?;
    let bytes = mapped_huge(&area, "AnonHugePages")?;
    ensure!(
        bytes == 2 * HUGE as u64,
        "after huge pages became read-only, only {bytes} bytes are mapped by huge pages"
    );
    Ok(())
}

/// Makes three huge pages, of which parts become read-only, are unmapped, or are discarded.
pub fn partial(_: &str) -> Result<()> {
    let area = filled(3)?;
    area.part(100..PAGES + 100).protect(RO)?;
    area.part(2 * PAGES..3 * PAGES).protect(RO)?;
    area.part(2 * PAGES + 50..2 * PAGES + 60).unmap()?;
    area.part(2 * PAGES + 300..2 * PAGES + 310)
        .advise(MmapAdvise::MADV_DONTNEED)
}

/// Maps huge pages of the file `argument`, whose file system must use huge pages.
pub fn file(argument: &str) -> Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(argument)
        .with_context(|| format!("cannot open {argument}"))?;
    file.set_len(2 * HUGE as u64)?;
    let writable = Area::of_file(&file, 0, 2 * PAGES, RW, MapFlags::MAP_SHARED)?;
    writable.fill_all(|index| index as u64 % 200);
    let area = Area::of_file(&file, 0, 2 * PAGES, RO, MapFlags::MAP_SHARED)?;
    area.touch();
    let bytes = mapped_huge(&area, "ShmemPmdMapped")?;
    ensure!(bytes > 0, "the file is not mapped by huge pages");
    Ok(())
}

/// Maps the huge zero page.
pub fn zero(_: &str) -> Result<()> {
    let area = Area::huge_aligned(2)?;
    area.advise(MmapAdvise::MADV_HUGEPAGE)?;
    area.part(0..1).touch();
    area.protect(RO)
}

/// Maps pages of the hugetlb pool.
pub fn hugetlb(_: &str) -> Result<()> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB;
    let area = Area::anonymous_with(2 * PAGES, RW, flags)?;
    area.fill_all(|index| index as u64 % 200);
    area.protect(RO)?;
    // These pages are reserved, but not present.
    Area::anonymous_with(PAGES, RW, flags)?.protect(RO)
}
