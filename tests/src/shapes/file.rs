// SPDX-License-Identifier: GPL-2.0-only

//! Mappings of files and devices.

use super::area::{Area, PAGE, RO, RW};
use anyhow::{Context, Result};
use nix::sys::mman::MapFlags;
use std::fs::{File, OpenOptions};
use std::os::fd::FromRawFd;

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

/// The submission queue of an io_uring, read-only: four pages of zeros that the kernel inserted one by
/// one, so that the area is VM_MIXEDMAP without VM_IO.
pub fn inserted_pages(_: &str) -> Result<()> {
    let ring = io_uring().context("cannot make an io_uring")?;
    let offset = IORING_OFF_SQES / PAGE;
    Area::of_file(&ring, offset, QUEUE_PAGES, RO, MapFlags::MAP_SHARED)?.touch();
    Ok(())
}

const QUEUE_PAGES: usize = 4;
/// C header, also of what follows: `include/uapi/linux/io_uring.h`.
const IORING_OFF_SQES: usize = 0x1000_0000;
/// Bytes of `struct io_uring_sqe`.
const QUEUE_ENTRY: usize = 64;
/// Bytes of `struct io_uring_params`.
const PARAMETERS: usize = 120;

/// Returns an io_uring whose submission queue has [`QUEUE_PAGES`] pages.
pub fn io_uring() -> std::io::Result<File> {
    let entries = QUEUE_PAGES * PAGE / QUEUE_ENTRY;
    let mut parameters = [0_u64; PARAMETERS / size_of::<u64>()];
    // SAFETY: io_uring_setup(2) reads and writes `struct io_uring_params`, which is as large as
    // `parameters`; all zeros ask for nothing special.
    match unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, parameters.as_mut_ptr()) } {
        -1 => Err(std::io::Error::last_os_error()),
        // SAFETY: io_uring_setup(2) just opened this descriptor, and nobody else has it.
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor as libc::c_int) }),
    }
}
