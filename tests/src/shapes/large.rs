// SPDX-License-Identifier: GPL-2.0-only

//! Memory that is so large, for the machine, that a scan of it takes long.

use crate::kernel::memory::meminfo;
use anyhow::{Context, Result};
use guest::child::errno_of;
use guest::mapping::{Area, PAGE, RO, RW};
use nix::errno::Errno;
use nix::sys::mman::MapFlags;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// First seed of the contents of the pages, all of which differ.
const FIRST_SEED: u64 = 1 << 30;

/// Returns the number of pages of `part` of the memory that is available.
pub fn part_of_memory(part: f64) -> Result<usize> {
    Ok((meminfo("MemAvailable:")? as f64 * part) as usize / PAGE)
}

/// Maps `pages` read-only pages, all different.
///
/// # Errors
///
/// Returns the error of a system call.
pub fn anonymous(pages: usize, flags: MapFlags) -> Result<Area, Errno> {
    let map = || -> Result<Area> {
        let area = Area::anonymous_with(pages, RW, flags)?;
        area.advise_no_huge_pages()?;
        area.fill_all(|index| FIRST_SEED + index as u64);
        area.protect(RO)?;
        Ok(area)
    };
    map().map_err(errno)
}

/// Writes a file of `pages` pages, all different.
pub fn write_file(path: &Path, pages: usize) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut page = [0; PAGE];
    for index in 0..pages {
        // Few bytes that differ, since most of a real file's pages can be compressed.
        page[..8].copy_from_slice(&index.to_ne_bytes());
        page[PAGE / 2..PAGE / 2 + 8].copy_from_slice(&index.to_ne_bytes());
        file.write_all(&page)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Maps a whole file for reading, makes all pages present, and keeps the mapping.
///
/// # Errors
///
/// Returns the error of a system call.
pub fn map_file(file: &File) -> Result<Area, Errno> {
    let pages = file.metadata().map_err(errno_of)?.len() as usize / PAGE;
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
    Area::of_file(file, 0, pages, RO, flags).map_err(errno)
}

fn errno(error: anyhow::Error) -> Errno {
    error.downcast().unwrap_or(Errno::EIO)
}
