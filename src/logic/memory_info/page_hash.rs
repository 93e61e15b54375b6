// SPDX-License-Identifier: GPL-2.0-only

//! Hashes of a page: of all of it, and of a sample.
//!
//! The seeds should be secret: whoever knows them can craft pages that collide. Equal hashes are a
//! hint, never proof of equal pages.
//!
//! XXH64 rather than the newer XXH3, which is made for vector registers; modules have none.

use logic::units::{PageCopy, PAGE_SIZE};
use xxhash_rust::xxh64::xxh64;

/// Bytes in each part of a sample: a cache line, the least that memory gives.
pub const SAMPLE_PART: usize = 64;
/// Parts of a sample.
pub const SAMPLE_PARTS: usize = 2;

/// A private copy of the sampled bytes of one page.
pub type Sample = [u8; SAMPLE_PART * SAMPLE_PARTS];

/// How one scan samples and hashes: not to be foreseen by who fills the pages.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    seed: u64,
    /// Where the parts are, in bytes from the page's start.
    offsets: [usize; SAMPLE_PARTS],
}

impl Sampling {
    /// Takes the seed and the sampled lines, one in each half of the page, from random bits.
    pub fn new(random: u64) -> Self {
        const LINES: usize = PAGE_SIZE / SAMPLE_PART / SAMPLE_PARTS;
        let line = |part: usize| (random >> (part * 8)) as usize % LINES + part * LINES;
        Self {
            seed: random,
            offsets: core::array::from_fn(|part| line(part) * SAMPLE_PART),
        }
    }

    /// Where the parts are, in bytes from the page's start: aligned to their size.
    pub fn offsets(&self) -> [usize; SAMPLE_PARTS] {
        self.offsets
    }

    /// XXH64 of a sample.
    pub fn sample_hash(&self, sample: &Sample) -> u64 {
        xxh64(sample, self.seed)
    }

    /// XXH64 of a whole page.
    pub fn page_hash(&self, page: &PageCopy) -> u64 {
        xxh64(page, self.seed)
    }
}
