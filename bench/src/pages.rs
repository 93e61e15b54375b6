// SPDX-License-Identifier: GPL-2.0-only

//! Read-only memory with known contents.

use anyhow::{Context, Result};
use nix::sys::mman::{madvise, mmap_anonymous, mprotect, munmap, MapFlags, MmapAdvise, ProtFlags};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

/// Bytes in a page.
pub const PAGE: usize = 4096;
const LINE: usize = 64;

/// What pages hold. Each is told its number among all pages of its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// All the same.
    Identical,
    /// Each something else, from its first byte on.
    Different,
    /// Every other one the same, the others all different.
    Half,
    /// The last byte counts the pages, the others are the same in all: 256 kinds.
    LastByte,
    /// The last eight bytes are the page's number, the others the same in all.
    LastWord,
    /// One byte, anywhere, is another than in the rest.
    OneByte,
    /// One cache line, anywhere, holds something else, the others are the same in all.
    OneLine,
    /// The same but for eight bytes in the middle.
    Middle,
}

impl Content {
    fn fill(self, page: &mut [u8; PAGE], number: usize) {
        // Never the same as the zero page's, nor as another kind's.
        let same = 0x5eed + self as u64;
        let own = (number as u64 + 1) << 32 | same;
        let random = mix(own) as usize;
        match self {
            Content::Identical => fill(page, same),
            Content::Different => fill(page, own),
            Content::Half => fill(page, if number % 2 == 0 { same } else { own }),
            Content::LastByte => {
                fill(page, same);
                page[PAGE - 1] = number as u8;
            }
            Content::LastWord => {
                fill(page, same);
                page[PAGE - 8..].copy_from_slice(&own.to_le_bytes());
            }
            Content::OneByte => {
                fill(page, same);
                page[random % PAGE] ^= 1 + (random >> 12) as u8 % 255;
            }
            Content::OneLine => {
                fill(page, same);
                let at = random % PAGE / LINE * LINE;
                fill(&mut page[at..at + LINE], own);
            }
            Content::Middle => {
                fill(page, same);
                page[PAGE / 2..PAGE / 2 + 8].copy_from_slice(&own.to_le_bytes());
            }
        }
    }
}

/// SplitMix64's finalizer.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for word in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word.copy_from_slice(&mix(state).to_le_bytes());
    }
}

/// A private mapping; unmapped when this goes.
pub struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

impl Mapping {
    /// Maps address space that nothing is behind yet.
    pub fn reserve(bytes: usize, protection: ProtFlags) -> Result<Self> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let length = NonZeroUsize::new(bytes).context("a mapping has a size")?;
        // SAFETY: a mapping where nothing is.
        let start = unsafe { mmap_anonymous(None, length, protection, flags) }
            .with_context(|| format!("cannot map {bytes} bytes"))?;
        Ok(Self { start, bytes })
    }

    /// Maps `pages` read-only pages, the first of which is number `first` of its kind.
    pub fn filled(content: Content, pages: usize, first: usize) -> Result<Self> {
        let mapping = Self::reserve(pages * PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        for index in 0..pages {
            // SAFETY: a page of this mapping, which nobody else refers to.
            let page = unsafe { mapping.start.byte_add(index * PAGE).cast().as_mut() };
            content.fill(page, first + index);
        }
        mapping.protect(ProtFlags::PROT_READ)?;
        Ok(mapping)
    }

    /// Where it starts.
    pub fn start(&self) -> NonNull<c_void> {
        self.start
    }

    /// Changes what may be done with it. A process that then touches it in another way is killed.
    pub fn protect(&self, protection: ProtFlags) -> Result<()> {
        // SAFETY: this mapping, to whose bytes there are no references.
        Ok(unsafe { mprotect(self.start, self.bytes, protection) }?)
    }

    /// Advises the kernel.
    pub fn advise(&self, advice: MmapAdvise) -> Result<()> {
        // SAFETY: as above.
        unsafe { madvise(self.start, self.bytes, advice) }
            .with_context(|| format!("madvise({advice:?}) failed"))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping, which nobody refers to any more.
        let unmapped = unsafe { munmap(self.start, self.bytes) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, PAGE};
    use std::collections::HashSet;

    fn distinct(content: Content) -> usize {
        let page = |number| {
            let mut page = [0; PAGE];
            content.fill(&mut page, number);
            page
        };
        (0..1000).map(page).collect::<HashSet<_>>().len()
    }

    #[test]
    fn contents_are_as_many_as_they_should() {
        assert_eq!(distinct(Content::Identical), 1);
        assert_eq!(distinct(Content::Different), 1000);
        assert_eq!(distinct(Content::Half), 501);
        assert_eq!(distinct(Content::LastByte), 256);
        assert_eq!(distinct(Content::LastWord), 1000);
        assert_eq!(distinct(Content::OneLine), 1000);
        assert_eq!(distinct(Content::Middle), 1000);
        assert!(distinct(Content::OneByte) > 990);
    }
}
