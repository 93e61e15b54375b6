//! Mappings of files and devices.

use super::area::{Area, PAGE, RO, RW};
use anyhow::{Context, Result};
use nix::sys::mman::MapFlags;
use std::fs::{File, OpenOptions};

/// Shared, private and privately changed read-only mappings of the file named `argument`, beyond its end
/// too. The file holds [`contents`].
pub fn mappings(argument: &str) -> Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(argument)
        .with_context(|| format!("cannot open {argument}"))?;
    let pages = contents().len() / PAGE;
    let shared = Area::of_file(&file, 0, pages, RO, MapFlags::MAP_SHARED)?;
    let private = Area::of_file(&file, 1, pages, RO, MapFlags::MAP_PRIVATE)?;
    shared.touch();
    private.part(0..pages - 1).touch();
    let changed = Area::of_file(&file, 0, pages, RW, MapFlags::MAP_PRIVATE)?;
    changed.touch();
    changed.fill(0, 1);
    changed.fill(3, 9);
    changed.protect(RO)?;
    Area::of_file(&file, 0, pages, RW, MapFlags::MAP_SHARED)?.touch();
    Ok(())
}

/// What [`mappings`] expects in the file: pages that are partly alike.
pub fn contents() -> Vec<u8> {
    [1, 2, 1, 3, 1, 2]
        .iter()
        .flat_map(|&byte| [byte; PAGE])
        .collect()
}

/// The firmware's memory through `/dev/mem`, twice: read-only, but no memory of the kernel's.
pub fn device(_: &str) -> Result<()> {
    let file = File::open("/dev/mem").context("cannot open /dev/mem")?;
    for _ in 0..2 {
        Area::of_file(&file, 0xf_0000 / PAGE, 16, RO, MapFlags::MAP_SHARED)?;
    }
    Ok(())
}
