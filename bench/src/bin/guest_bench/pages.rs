// SPDX-License-Identifier: GPL-2.0-only

//! Read-only pages with known contents.

use anyhow::Result;
use guest::mapping::{Mapping, PAGE, RO, RW};
use nix::sys::mman::MapFlags;

/// Size of a cache line in bytes.
const LINE: usize = 64;

/// Contents of pages, which depend on the number of the page among all pages of the same content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// All pages are the same.
    Identical,
    /// Each page is different, from the first byte on.
    Different,
    /// Every other page is the same, the others are all different.
    Half,
    /// Only the last byte differs, so that there are 256 different pages.
    LastByte,
    /// Only the last eight bytes differ.
    LastWord,
    /// Only one byte at a random place differs.
    OneByte,
    /// Only one cache line at a random place differs.
    OneLine,
    /// Only eight bytes in the middle differ.
    Middle,
}

impl Content {
    /// Fills the page with the number `number`.
    fn fill(self, page: &mut [u8; PAGE], number: usize) {
        // Different from the zero page, and for each variant.
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

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Fills `bytes` with pseudo-random contents.
fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for word in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word.copy_from_slice(&mix(state).to_le_bytes());
    }
}

/// Maps `pages` read-only pages, the first of which has the number `first` among the pages of its content.
pub fn map_filled(content: Content, pages: usize, first: usize) -> Result<Mapping> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    let mapping = Mapping::anonymous_with(pages, RW, flags)?;
    let mut page = [0; PAGE];
    for index in 0..pages {
        content.fill(&mut page, first + index);
        mapping.write_page(index, &page);
    }
    mapping.protect(RO)?;
    Ok(mapping)
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
    fn contents_have_the_documented_number_of_different_pages() {
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
