// SPDX-License-Identifier: GPL-2.0-only

//! Pages that are swapped out.

use anyhow::{ensure, Result};
use guest::mapping::{Area, RO};
use nix::sys::mman::MmapAdvise;
use procfs::process::{PageInfo, Process};

/// Makes read-only pages, half of which are swapped out. Needs swap space.
pub fn swapped(_: &str) -> Result<()> {
    let area = Area::small_pages(64)?;
    area.fill_all(|index| index as u64 % 4);
    area.protect(RO)?;
    let half = area.part(16..48);
    half.advise(MmapAdvise::MADV_PAGEOUT)?;
    let first = half.first_page() as usize;
    let entries = Process::myself()?
        .pagemap()?
        .get_range_info(first..first + half.pages())?;
    let out = entries
        .iter()
        .filter(|entry| matches!(entry, PageInfo::SwapPage(_)))
        .count();
    ensure!(out > 0, "none of {} pages was swapped out", half.pages());
    Ok(())
}
