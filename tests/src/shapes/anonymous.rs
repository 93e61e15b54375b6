// SPDX-License-Identifier: GPL-2.0-only

//! Anonymous memory in all its protections and states.

use anyhow::{Context, Result};
use guest::mapping::{secret_memory, Area, PAGE, RO, RW};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

/// Number of pages of a terabyte.
pub const TERABYTE: usize = (1 << 40) / PAGE;

/// Makes read-only pages, one for each seed in `argument`, such as `1 1 2 3`; equal seeds give equal contents.
pub fn patterns(argument: &str) -> Result<()> {
    let seeds: Vec<u64> = argument
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("the seeds of the shape patterns must be numbers")?;
    let area = Area::small_pages(seeds.len())?;
    area.fill_all(|index| seeds[index]);
    area.protect(RO)
}

/// Makes read-only pages that were read and never written, so that all of them map the zero page.
pub fn zero_pages(_: &str) -> Result<()> {
    let area = Area::small_pages(24)?;
    area.part(0..16).touch();
    area.protect(RO)?;
    // A page that was written with zeros is another frame with the same contents.
    let written = Area::small_pages(1)?;
    written.fill_zero();
    written.protect(RO)
}

/// Makes pages with the same contents under every protection; only those under `r--` and `r-x` are read-only.
pub fn protections(_: &str) -> Result<()> {
    let protections = [
        RO,
        RO | ProtFlags::PROT_EXEC,
        RW,
        RW | ProtFlags::PROT_EXEC,
        ProtFlags::PROT_EXEC,
        ProtFlags::PROT_NONE,
    ];
    for protection in protections {
        let area = Area::small_pages(4)?;
        area.fill_all(|index| 100 + index as u64 / 2);
        area.protect(protection)?;
    }
    Ok(())
}

/// Makes mappings with holes, pages that are not populated, guard pages, and changes of protection.
pub fn holes(_: &str) -> Result<()> {
    let area = Area::small_pages(240)?;
    for index in (0..area.pages()).step_by(2) {
        area.fill(index, index as u64 % 8);
    }
    for index in (0..area.pages()).filter(|index| index % 5 == 1) {
        area.part(index..index + 1).unmap()?;
    }
    for index in (0..area.pages()).filter(|index| index % 5 != 1 && index % 7 < 4) {
        area.part(index..index + 1).protect(RO)?;
    }
    let guarded = Area::small_pages(16)?;
    guarded.fill_all(|index| index as u64 / 4);
    // On a kernel that does not have guard pages, this fails and the pages stay populated.
    let _ = guarded.part(3..6).install_guards();
    guarded.protect(RO)
}

/// Reserves `argument` terabytes and populates a few of their pages.
pub fn sparse(argument: &str) -> Result<()> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    for _ in 0..argument
        .parse()
        .context("the shape sparse takes a number of terabytes")?
    {
        let area = Area::anonymous_with(TERABYTE, RW, flags)?;
        area.advise_no_huge_pages()?;
        for index in (0..TERABYTE).step_by(TERABYTE / 16) {
            area.fill(index + 77, 5);
        }
        area.part(0..TERABYTE / 2).protect(RO)?;
        area.part(TERABYTE / 2..TERABYTE * 3 / 4)
            .protect(ProtFlags::PROT_NONE)?;
    }
    Ok(())
}

/// Makes shared anonymous memory, which the kernel keeps in an unnamed file.
pub fn shared(_: &str) -> Result<()> {
    let area = Area::anonymous_with(8, RW, MapFlags::MAP_SHARED)?;
    area.part(0..6).fill_all(|index| index as u64 / 2);
    area.protect(RO)
}

/// Makes read-only memory about which the kernel got advice, and read-only memory that is locked.
pub fn advised(_: &str) -> Result<()> {
    let advices = [
        MmapAdvise::MADV_FREE,
        MmapAdvise::MADV_COLD,
        MmapAdvise::MADV_DONTNEED,
        MmapAdvise::MADV_DONTDUMP,
        MmapAdvise::MADV_DONTFORK,
        MmapAdvise::MADV_RANDOM,
    ];
    for advice in advices {
        let area = Area::small_pages(8)?;
        area.fill_all(|index| 300 + index as u64 / 2);
        area.part(2..6).advise(advice)?;
        area.protect(RO)?;
    }
    let locked = Area::small_pages(8)?;
    locked.lock()?;
    locked.protect(RO)
}

/// Makes memory of memfd_secret(2), which the kernel itself cannot read, and ordinary read-only pages.
pub fn secret(_: &str) -> Result<()> {
    let file = secret_memory().context("memfd_secret failed")?;
    file.set_len(4 * PAGE as u64)?;
    let area = Area::of_file(&file, 0, 4, RW, MapFlags::MAP_SHARED)?;
    area.fill_all(|index| index as u64 / 2);
    area.protect(RO)?;
    patterns("0 0 1")
}

/// Makes `argument` VMAs of two pages each, alternately read-only and writable.
pub fn many_areas(argument: &str) -> Result<()> {
    let areas = argument
        .parse()
        .context("the shape many-areas takes a number of areas")?;
    let area = Area::small_pages(2 * areas)?;
    area.fill_all(|index| index as u64 % 100);
    for index in (0..areas).step_by(2) {
        area.part(2 * index..2 * index + 2).protect(RO)?;
    }
    Ok(())
}
