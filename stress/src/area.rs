// SPDX-License-Identifier: GPL-2.0-only

//! Anonymous memory of a churning or resting process.

use nix::sys::mman::{madvise, mmap_anonymous, mprotect, munmap, MapFlags, MmapAdvise, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;

/// Size of a page in bytes.
const PAGE: usize = 4096;

/// A private anonymous mapping, writable at first; unmapped when this goes.
pub struct Area {
    start: NonNull<c_void>,
    pages: usize,
}

impl Area {
    /// Maps `pages` pages.
    pub fn new(pages: usize) -> io::Result<Self> {
        let bytes = NonZeroUsize::new(pages * PAGE).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a mapping where nothing is.
        let start = unsafe {
            mmap_anonymous(
                None,
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE,
            )
        }?;
        Ok(Self { start, pages })
    }

    /// Size in pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Fills a page that is writable.
    pub fn fill(&self, page: usize, byte: u8) {
        let at = self.part(page..page + 1).cast::<u8>();
        // SAFETY: within this mapping, which nobody else uses.
        unsafe { at.write_bytes(byte, PAGE) };
    }

    /// Changes what may be done with a part. A process that then touches it in another way is killed.
    pub fn protect(&self, pages: Range<usize>, protection: ProtFlags) -> io::Result<()> {
        let bytes = pages.len() * PAGE;
        // SAFETY: within this mapping, to whose bytes there are no references.
        Ok(unsafe { mprotect(self.part(pages), bytes, protection) }?)
    }

    /// Advises the kernel about a part; its contents may be lost.
    pub fn advise(&self, pages: Range<usize>, advice: MmapAdvise) -> io::Result<()> {
        let bytes = pages.len() * PAGE;
        // SAFETY: within this mapping, to whose bytes there are no references.
        Ok(unsafe { madvise(self.part(pages), bytes, advice) }?)
    }

    fn part(&self, pages: Range<usize>) -> NonNull<c_void> {
        assert!(
            pages.end <= self.pages,
            "{pages:?} is outside of {} pages",
            self.pages
        );
        // SAFETY: within this mapping.
        unsafe { self.start.byte_add(pages.start * PAGE) }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: this mapping, which nobody refers to any more.
        let unmapped = unsafe { munmap(self.start, self.pages * PAGE) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}
