// SPDX-License-Identifier: GPL-2.0-only

//! A mapping in this process, written and protected page by page.

use anyhow::{ensure, Context, Result};
use nix::sys::mman::{self, MapFlags, MmapAdvise, ProtFlags};
use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::ptr::NonNull;

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Bytes of a huge page.
pub const HUGE: usize = 2 << 20;

/// Readable and writable.
pub const RW: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);
/// Readable only.
pub const RO: ProtFlags = ProtFlags::PROT_READ;

/// A mapping; it stays until the process ends.
#[derive(Clone, Copy)]
pub struct Area {
    start: NonNull<c_void>,
    pages: usize,
}

impl Area {
    /// Anonymous private memory.
    pub fn anonymous(pages: usize, protection: ProtFlags) -> Result<Self> {
        Self::anonymous_with(pages, protection, MapFlags::MAP_PRIVATE)
    }

    /// Anonymous memory with other flags.
    pub fn anonymous_with(pages: usize, protection: ProtFlags, flags: MapFlags) -> Result<Self> {
        let length = NonZeroUsize::new(pages * PAGE).context("an area has at least one page")?;
        // SAFETY: the kernel chooses an unused address.
        let start = unsafe { mman::mmap_anonymous(None, length, protection, flags) }
            .with_context(|| format!("cannot map {pages} anonymous pages"))?;
        Ok(Self { start, pages })
    }

    /// Anonymous memory without huge pages, so that its pages can be told apart.
    pub fn small_pages(pages: usize) -> Result<Self> {
        let area = Self::anonymous(pages, RW)?;
        area.advise_no_huge_pages()?;
        Ok(area)
    }

    /// `pages` pages of `file` from page `offset` on.
    pub fn of_file(
        file: &File,
        offset: usize,
        pages: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self> {
        let length = NonZeroUsize::new(pages * PAGE).context("an area has at least one page")?;
        // SAFETY: the kernel chooses an unused address.
        let start = unsafe {
            mman::mmap(
                None,
                length,
                protection,
                flags,
                file,
                (offset * PAGE) as libc::off_t,
            )
        }
        .with_context(|| format!("cannot map {pages} pages of a file"))?;
        Ok(Self { start, pages })
    }

    /// The part that begins at a multiple of a huge page and is `huge` huge pages long.
    pub fn huge_aligned(huge: usize) -> Result<Self> {
        let around = Self::anonymous((huge + 1) * HUGE / PAGE, RW)?;
        let skip = around.start.align_offset(HUGE) / PAGE;
        Ok(around.part(skip..skip + huge * HUGE / PAGE))
    }

    /// Some of its pages.
    pub fn part(&self, pages: Range<usize>) -> Self {
        assert!(pages.start <= pages.end && pages.end <= self.pages);
        // SAFETY: stays inside the mapping, as was just checked.
        let start = unsafe { self.start.byte_add(pages.start * PAGE) };
        Self {
            start,
            pages: pages.len(),
        }
    }

    /// Number of pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Index of the first page in the address space.
    pub fn first_page(&self) -> u64 {
        (self.start.addr().get() / PAGE) as u64
    }

    /// Fills page `index`, which must be writable, with contents that `seed` decides.
    pub fn fill(&self, index: usize, seed: u64) {
        let words = self.part(index..index + 1).start.cast::<u64>();
        for word in 0..PAGE / 8 {
            let value = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word as u64;
            // SAFETY: inside a page of this mapping; the caller keeps it writable.
            unsafe { words.add(word).write_volatile(value) };
        }
    }

    /// Fills all pages, each with the contents that its seed decides.
    pub fn fill_all(&self, seed: impl Fn(usize) -> u64) {
        (0..self.pages).for_each(|index| self.fill(index, seed(index)));
    }

    /// Writes zeros to all pages, which must be writable.
    pub fn fill_zero(&self) {
        // SAFETY: the whole mapping; the caller keeps it writable.
        unsafe { self.start.cast::<u8>().write_bytes(0, self.pages * PAGE) };
    }

    /// Whether the first word is zero still.
    pub fn is_zero(&self) -> bool {
        // SAFETY: inside the mapping; the caller keeps it readable.
        unsafe { self.start.cast::<u64>().read_volatile() == 0 }
    }

    /// Reads one byte of every page, so that the page is there.
    pub fn touch(&self) {
        for index in 0..self.pages {
            // SAFETY: inside the mapping; the caller keeps it readable.
            unsafe { self.start.cast::<u8>().add(index * PAGE).read_volatile() };
        }
    }

    /// Changes its protection.
    pub fn protect(&self, protection: ProtFlags) -> Result<()> {
        // SAFETY: nothing of this program's own lies in the mapping.
        unsafe { mman::mprotect(self.start, self.pages * PAGE, protection) }
            .with_context(|| format!("cannot change protection to {protection:?}"))
    }

    /// `madvise`.
    pub fn advise(&self, advice: MmapAdvise) -> Result<()> {
        // SAFETY: nothing of this program's own lies in the mapping.
        unsafe { mman::madvise(self.start, self.pages * PAGE, advice) }
            .with_context(|| format!("madvise {advice:?} failed"))
    }

    /// Keeps huge pages away. A kernel that has none does not know the advice.
    pub fn advise_no_huge_pages(&self) -> Result<()> {
        match has_transparent_huge_pages() {
            true => self.advise(MmapAdvise::MADV_NOHUGEPAGE),
            false => Ok(()),
        }
    }

    /// `madvise` with an advice that the `nix` crate does not name.
    pub fn advise_number(&self, advice: libc::c_int) -> Result<()> {
        // SAFETY: nothing of this program's own lies in the mapping.
        let status = unsafe { libc::madvise(self.start.as_ptr(), self.pages * PAGE, advice) };
        ensure!(
            status == 0,
            "madvise {advice} failed: {}",
            std::io::Error::last_os_error()
        );
        Ok(())
    }

    /// Has its pages made present and kept so.
    pub fn lock(&self) -> Result<()> {
        // SAFETY: nothing of this program's own lies in the mapping.
        unsafe { mman::mlock(self.start, self.pages * PAGE) }.context("cannot lock memory")
    }

    /// Removes the mapping.
    pub fn unmap(&self) -> Result<()> {
        // SAFETY: nothing of this program's own lies in the mapping, and `Area` reads only when asked to.
        unsafe { mman::munmap(self.start, self.pages * PAGE) }.context("cannot unmap")
    }
}

/// True if this kernel makes huge pages of ordinary memory.
pub fn has_transparent_huge_pages() -> bool {
    Path::new("/sys/kernel/mm/transparent_hugepage").exists()
}
