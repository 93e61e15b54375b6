// SPDX-License-Identifier: GPL-2.0-only

//! Huge pages that became read-only.

use super::area::{Area, HUGE, PAGE, RO, RW};
use anyhow::{ensure, Context, Result};
use nix::sys::mman::{MapFlags, MmapAdvise};
use procfs::process::Process;
use std::fs::OpenOptions;

const PAGES: usize = HUGE / PAGE;
/// `MADV_COLLAPSE`. C header: `include/uapi/asm-generic/mman-common.h`.
const MADV_COLLAPSE: libc::c_int = 25;

/// Bytes of huge pages, by their label in smaps, in the mapping where `area` begins.
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

fn filled(huge: usize) -> Result<Area> {
    let area = Area::huge_aligned(huge)?;
    area.advise(MmapAdvise::MADV_HUGEPAGE)?;
    area.fill_all(|index| index as u64 % 200);
    if mapped_huge(&area, "AnonHugePages")? < huge as u64 * HUGE as u64 {
        area.advise_number(MADV_COLLAPSE)?;
    }
    let bytes = mapped_huge(&area, "AnonHugePages")?;
    ensure!(
        bytes >= huge as u64 * HUGE as u64,
        "only {bytes} bytes are mapped by huge pages"
    );
    Ok(area)
}

/// Two huge pages, read-only as a whole.
pub fn whole(_: &str) -> Result<()> {
    let area = filled(2)?;
    area.protect(RO)?;
    let bytes = mapped_huge(&area, "AnonHugePages")?;
    ensure!(
        bytes == 2 * HUGE as u64,
        "making huge pages read-only left {bytes} bytes of them"
    );
    Ok(())
}

/// Three huge pages of which parts became read-only, went away, or were given back.
pub fn partial(_: &str) -> Result<()> {
    let area = filled(3)?;
    area.part(100..PAGES + 100).protect(RO)?;
    area.part(2 * PAGES..3 * PAGES).protect(RO)?;
    area.part(2 * PAGES + 50..2 * PAGES + 60).unmap()?;
    area.part(2 * PAGES + 300..2 * PAGES + 310)
        .advise(MmapAdvise::MADV_DONTNEED)
}

/// Huge pages of the file named `argument`, which lies where the kernel uses them for files.
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

/// The huge zero page.
pub fn zero(_: &str) -> Result<()> {
    let area = Area::huge_aligned(2)?;
    area.advise(MmapAdvise::MADV_HUGEPAGE)?;
    area.part(0..1).touch();
    area.protect(RO)
}

/// Pages from the pool of reserved huge pages.
pub fn hugetlb(_: &str) -> Result<()> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB;
    let area = Area::anonymous_with(2 * PAGES, RW, flags)?;
    area.fill_all(|index| index as u64 % 200);
    area.protect(RO)?;
    // Reserved, but never touched.
    Area::anonymous_with(PAGES, RW, flags)?.protect(RO)
}
