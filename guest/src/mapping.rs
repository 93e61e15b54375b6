// SPDX-License-Identifier: GPL-2.0-only

//! Memory mappings of this process, written and protected page by page.
//!
//! An [`Area`] is a range of pages that stays mapped until the process ends or unmaps it explicitly: the helper
//! processes of tests consist of such areas. A [`Mapping`] is an area that is unmapped when it is dropped.
//!
//! Nothing else lies in these pages, and nothing here hands out references to their bytes. So an access that the
//! protection of a page forbids, or an access to a page that was unmapped, does no harm but to end the process.

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::mman::{self, MapFlags, MmapAdvise, ProtFlags};
use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::{Deref, Range};
use std::os::fd::FromRawFd;
use std::path::Path;
use std::ptr::NonNull;

/// Size of a page in bytes.
pub const PAGE: usize = 4096;
/// Size of a huge page in bytes.
pub const HUGE: usize = 2 << 20;

/// Protection of memory that may be read and written.
pub const RW: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);
/// Protection of memory that may only be read.
pub const RO: ProtFlags = ProtFlags::PROT_READ;

/// Address space of this process, which is unmapped when this is dropped.
pub struct Mapping(Area);

impl Mapping {
    /// Maps `pages` pages of private anonymous memory.
    pub fn anonymous(pages: usize, protection: ProtFlags) -> Result<Self> {
        Self::anonymous_with(pages, protection, MapFlags::MAP_PRIVATE)
    }

    /// Maps `pages` pages of anonymous memory with other flags than `MAP_PRIVATE`.
    pub fn anonymous_with(pages: usize, protection: ProtFlags, flags: MapFlags) -> Result<Self> {
        Self::map_anonymous(None, pages, protection, flags)
    }

    /// Maps `pages` pages of private anonymous memory at `address`, where nothing may be mapped.
    pub fn anonymous_at(address: usize, pages: usize, protection: ProtFlags) -> Result<Self> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
        let address = NonZeroUsize::new(address).context("no mapping can begin at address 0")?;
        Self::map_anonymous(Some(address), pages, protection, flags)
    }

    fn map_anonymous(
        address: Option<NonZeroUsize>,
        pages: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self> {
        refuse_fixed(flags)?;
        let length = length_of(pages)?;
        // SAFETY: Without MAP_FIXED, the kernel chooses addresses at which nothing is mapped.
        let start = unsafe { mman::mmap_anonymous(address, length, protection, flags) }
            .with_context(|| format!("cannot map {pages} anonymous pages"))?;
        Ok(Self(Area::new(start, pages)))
    }

    /// Maps `pages` pages of `file`, beginning with page `offset` of it.
    pub fn of_file(
        file: &File,
        offset: usize,
        pages: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self> {
        Self::map_file(None, file, offset, pages, protection, flags)
    }

    /// Maps `pages` pages of `file` from its beginning, shared, at `address`, where nothing may be mapped.
    pub fn of_file_at(
        address: usize,
        file: &File,
        pages: usize,
        protection: ProtFlags,
    ) -> Result<Self> {
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED_NOREPLACE;
        let address = NonZeroUsize::new(address).context("no mapping can begin at address 0")?;
        Self::map_file(Some(address), file, 0, pages, protection, flags)
    }

    fn map_file(
        address: Option<NonZeroUsize>,
        file: &File,
        offset: usize,
        pages: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self> {
        refuse_fixed(flags)?;
        let length = length_of(pages)?;
        let offset = libc::off_t::try_from(offset * PAGE)?;
        // SAFETY: Without MAP_FIXED, the kernel chooses addresses at which nothing is mapped.
        let start = unsafe { mman::mmap(address, length, protection, flags, file, offset) }
            .with_context(|| format!("cannot map {pages} pages of a file"))?;
        Ok(Self(Area::new(start, pages)))
    }

    /// Keeps the mapping until the process ends.
    pub fn leak(self) -> Area {
        let area = self.0;
        std::mem::forget(self);
        area
    }
}

impl Deref for Mapping {
    type Target = Area;

    fn deref(&self) -> &Area {
        &self.0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let unmapped = self.0.unmap();
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// A range of mapped pages.
///
/// # Invariants
///
/// The `pages` pages from `start` on were mapped by this file and contain nothing but what its methods wrote to them.
#[derive(Clone, Copy)]
pub struct Area {
    start: NonNull<c_void>,
    pages: usize,
}

impl Area {
    fn new(start: NonNull<c_void>, pages: usize) -> Self {
        Self { start, pages }
    }

    /// Maps `pages` pages of private anonymous memory.
    pub fn anonymous(pages: usize, protection: ProtFlags) -> Result<Self> {
        Ok(Mapping::anonymous(pages, protection)?.leak())
    }

    /// Maps `pages` pages of anonymous memory with other flags than `MAP_PRIVATE`.
    pub fn anonymous_with(pages: usize, protection: ProtFlags, flags: MapFlags) -> Result<Self> {
        Ok(Mapping::anonymous_with(pages, protection, flags)?.leak())
    }

    /// Maps `pages` pages of private anonymous memory without huge pages, so that each page is a frame of its own.
    pub fn small_pages(pages: usize) -> Result<Self> {
        let area = Self::anonymous(pages, RW)?;
        area.advise_no_huge_pages()?;
        Ok(area)
    }

    /// Maps `pages` pages of `file`, beginning with page `offset` of it.
    pub fn of_file(
        file: &File,
        offset: usize,
        pages: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self> {
        Ok(Mapping::of_file(file, offset, pages, protection, flags)?.leak())
    }

    /// Maps anonymous memory of `huge` huge pages, whose address is a multiple of the size of a huge page.
    pub fn huge_aligned(huge: usize) -> Result<Self> {
        let around = Self::anonymous((huge + 1) * HUGE / PAGE, RW)?;
        let skip = around.start.align_offset(HUGE) / PAGE;
        Ok(around.part(skip..skip + huge * HUGE / PAGE))
    }

    /// Returns some pages of the area.
    ///
    /// # Panics
    ///
    /// Panics if the area has fewer pages.
    pub fn part(&self, pages: Range<usize>) -> Self {
        assert!(
            pages.start <= pages.end && pages.end <= self.pages,
            "{pages:?} is outside of an area of {} pages",
            self.pages
        );
        // SAFETY: By the type invariants and the check above, the address is in the mapping or at its end.
        let start = unsafe { self.start.byte_add(pages.start * PAGE) };
        Self::new(start, pages.len())
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Returns the address of the first byte.
    pub fn start(&self) -> NonNull<c_void> {
        self.start
    }

    /// Returns the index of the first page in the address space.
    pub fn first_page(&self) -> u64 {
        (self.start.addr().get() / PAGE) as u64
    }

    /// Fills the page `index`, which must be writable, with contents that `seed` determines.
    pub fn fill(&self, index: usize, seed: u64) {
        let words = self.part(index..index + 1).start.cast::<u64>();
        for word in 0..PAGE / 8 {
            let value = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word as u64;
            // SAFETY: By the type invariants, the word is in a page that contains nothing else.
            unsafe { words.add(word).write_volatile(value) };
        }
    }

    /// Fills all pages, which must be writable; `seed` returns the seed for the index of a page.
    pub fn fill_all(&self, seed: impl Fn(usize) -> u64) {
        (0..self.pages).for_each(|index| self.fill(index, seed(index)));
    }

    /// Writes `contents` to the page `index`, which must be writable.
    pub fn write_page(&self, index: usize, contents: &[u8; PAGE]) {
        let page = self.part(index..index + 1).start.cast::<[u8; PAGE]>();
        // SAFETY: By the type invariants, the page contains nothing else; `contents` is not in a mapping of this file.
        unsafe { page.copy_from_nonoverlapping(contents.into(), 1) };
    }

    /// Writes zeros to all pages, which must be writable.
    pub fn fill_zero(&self) {
        // SAFETY: By the type invariants, these bytes are mapped and contain nothing else.
        unsafe { self.start.cast::<u8>().write_bytes(0, self.pages * PAGE) };
    }

    /// Writes one byte to the page `index`, which must be writable, so that it is present.
    pub fn touch_for_writing(&self, index: usize) {
        let page = self.part(index..index + 1).start.cast::<u8>();
        // SAFETY: By the type invariants, the page contains nothing else.
        unsafe { page.write_volatile(1) };
    }

    /// Returns true if the first word of the area, which must be readable, is zero.
    pub fn is_zero(&self) -> bool {
        let word = self.part(0..1).start.cast::<u64>();
        // SAFETY: By the type invariants, the word is in a mapped page.
        unsafe { word.read_volatile() == 0 }
    }

    /// Reads one byte of every page, which must be readable, so that it is present.
    pub fn touch(&self) {
        for index in 0..self.pages {
            // SAFETY: By the type invariants, the byte is in a mapped page.
            unsafe { self.start.cast::<u8>().add(index * PAGE).read_volatile() };
        }
    }

    /// Changes the protection of all pages.
    pub fn protect(&self, protection: ProtFlags) -> Result<()> {
        // SAFETY: By the type invariants, nothing else of this program lies in these pages.
        unsafe { mman::mprotect(self.start, self.pages * PAGE, protection) }
            .with_context(|| format!("cannot change the protection to {protection:?}"))
    }

    /// Gives the kernel advice about all pages, which may lose their contents. Manual page: madvise(2).
    pub fn advise(&self, advice: MmapAdvise) -> Result<()> {
        // SAFETY: By the type invariants, nothing else of this program lies in these pages.
        unsafe { mman::madvise(self.start, self.pages * PAGE, advice) }
            .with_context(|| format!("madvise({advice:?}) failed"))
    }

    /// Gives the kernel an advice about all pages that nix does not know, by its number.
    ///
    /// # Errors
    ///
    /// Returns the error of madvise(2).
    pub fn advise_by_number(&self, advice: u32) -> Result<(), Errno> {
        let (start, bytes) = (self.start.as_ptr(), self.pages * PAGE);
        // SAFETY: By the type invariants, nothing else of this program lies in these pages.
        let status = unsafe { libc::madvise(start, bytes, advice as libc::c_int) };
        Errno::result(status).map(drop)
    }

    /// Keeps huge pages away, if this kernel has any.
    pub fn advise_no_huge_pages(&self) -> Result<()> {
        match has_transparent_huge_pages() {
            true => self.advise(MmapAdvise::MADV_NOHUGEPAGE),
            false => Ok(()),
        }
    }

    /// Makes all pages guard pages (`MADV_GUARD_INSTALL`).
    ///
    /// # Errors
    ///
    /// Fails on a kernel that does not have guard pages.
    pub fn install_guards(&self) -> Result<()> {
        self.advise_by_number(linux_raw_sys::general::MADV_GUARD_INSTALL)
            .context("cannot install guard pages")
    }

    /// Makes all pages present and keeps them in memory. Manual page: mlock(2).
    pub fn lock(&self) -> Result<()> {
        // SAFETY: By the type invariants, the pages were mapped by this file; locking does not change their contents.
        unsafe { mman::mlock(self.start, self.pages * PAGE) }.context("cannot lock memory")
    }

    /// Unmaps all pages of the area.
    pub fn unmap(&self) -> Result<()> {
        // SAFETY: By the type invariants, nothing else of this program lies in these pages.
        unsafe { mman::munmap(self.start, self.pages * PAGE) }.context("cannot unmap memory")
    }
}

/// Returns true if this kernel makes huge pages of ordinary memory.
pub fn has_transparent_huge_pages() -> bool {
    Path::new("/sys/kernel/mm/transparent_hugepage").exists()
}

/// Opens a new file with memfd_secret(2).
///
/// # Errors
///
/// Returns the error of the system call.
pub fn secret_memory() -> std::io::Result<File> {
    // SAFETY: A system call that takes no pointers.
    match unsafe { libc::syscall(libc::SYS_memfd_secret, 0) } {
        -1 => Err(std::io::Error::last_os_error()),
        // SAFETY: By the contract of memfd_secret(2), the descriptor was just opened, so nothing else owns it.
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor as libc::c_int) }),
    }
}

/// Fails if a mapping with these flags could replace others.
fn refuse_fixed(flags: MapFlags) -> Result<()> {
    ensure!(
        !flags.contains(MapFlags::MAP_FIXED),
        "MAP_FIXED would replace other mappings"
    );
    Ok(())
}

fn length_of(pages: usize) -> Result<NonZeroUsize> {
    NonZeroUsize::new(pages * PAGE).context("a mapping has at least one page")
}

#[cfg(test)]
mod tests {
    use super::{Mapping, PAGE, RO, RW};

    #[test]
    fn pages_hold_what_was_written() {
        let mapping = Mapping::anonymous(3, RW).unwrap();
        assert!(mapping.is_zero());
        mapping.part(0..1).fill_all(|_| 7);
        assert!(!mapping.is_zero());
        assert!(mapping.part(1..2).is_zero());
        mapping.write_page(1, &[1; PAGE]);
        assert!(!mapping.part(1..3).is_zero());
        mapping.fill_zero();
        assert!(mapping.is_zero());
        mapping.protect(RO).unwrap();
        mapping.touch();
    }

    #[test]
    fn a_mapping_has_pages() {
        assert!(Mapping::anonymous(0, RW).is_err());
    }
}
