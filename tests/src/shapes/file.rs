// SPDX-License-Identifier: GPL-2.0-only

//! Mappings of files and devices.

use anyhow::{Context, Result};
use guest::mapping::{Area, PAGE, RO, RW};
use linux_raw_sys::io_uring::{io_uring_params, io_uring_sqe, IORING_OFF_SQES};
use nix::sys::mman::MapFlags;
use std::fs::{File, OpenOptions};
use std::os::fd::FromRawFd;

/// Maps the file `argument`, which must contain [`contents`], read-only: shared, private, and private with changed pages.
/// The private mapping extends past the end of the file.
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

/// Returns the contents that [`mappings`] expects in the file: pages of which some are identical.
pub fn contents() -> Vec<u8> {
    [1, 2, 1, 3, 1, 2]
        .iter()
        .flat_map(|&byte| [byte; PAGE])
        .collect()
}

/// Maps the memory of the firmware through `/dev/mem` twice, read-only. The kernel does not manage this memory.
pub fn device(_: &str) -> Result<()> {
    let file = File::open("/dev/mem").context("cannot open /dev/mem")?;
    for _ in 0..2 {
        Area::of_file(&file, 0xf_0000 / PAGE, 16, RO, MapFlags::MAP_SHARED)?;
    }
    Ok(())
}

/// Maps the submission queue of an io_uring read-only: pages of zeros that the kernel inserted one by one, so that the
/// VMA is `VM_MIXEDMAP` without `VM_IO`.
pub fn inserted_pages(_: &str) -> Result<()> {
    let ring = io_uring().context("cannot make an io_uring")?;
    let offset = IORING_OFF_SQES as usize / PAGE;
    Area::of_file(&ring, offset, QUEUE_PAGES, RO, MapFlags::MAP_SHARED)?.touch();
    Ok(())
}

/// Number of pages of the submission queue.
const QUEUE_PAGES: usize = 4;

/// Returns an io_uring whose submission queue has [`QUEUE_PAGES`] pages.
pub fn io_uring() -> std::io::Result<File> {
    let entries = QUEUE_PAGES * PAGE / size_of::<io_uring_sqe>();
    // SAFETY: Zeros are valid values of these integers; they ask for an io_uring without special features.
    let mut parameters: io_uring_params = unsafe { std::mem::zeroed() };
    // SAFETY: io_uring_setup(2) reads and writes `parameters`, which live during the call.
    match unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, &raw mut parameters) } {
        -1 => Err(std::io::Error::last_os_error()),
        // SAFETY: By the contract of io_uring_setup(2), the descriptor was just opened, so nothing else owns it.
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor as libc::c_int) }),
    }
}
