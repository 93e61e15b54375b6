// SPDX-License-Identifier: GPL-2.0-only

//! Hashes of a whole page and of a sample of it.
//!
//! The seed should be secret: a process that knows it can craft pages whose hashes collide. Equal hashes are a hint,
//! never a proof of equal pages.
//!
//! The hash is XXH64, not the newer XXH3, which is designed for vector registers: kernel code does not use them.

use core::convert::Infallible;
use logic::units::{PageCopy, PAGE_SIZE};
use xxhash_rust::xxh64::xxh64;

/// Bytes of each part of a sample: a cache line, the unit in which memory is fetched.
pub const SAMPLE_PART: usize = 64;
/// The number of parts of a sample.
pub const SAMPLE_PARTS: usize = 2;

/// A private copy of the sampled bytes of one page.
pub type Sample = [u8; SAMPLE_PART * SAMPLE_PARTS];

/// The sampled places and the hash seed of one scan, which processes cannot predict.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    seed: u64,
    /// The offsets of the parts, in bytes from the page's start.
    offsets: [usize; SAMPLE_PARTS],
}

impl Sampling {
    /// Derives the seed and the sampled lines, one in each half of the page, from random bits.
    pub fn new(random: u64) -> Self {
        const LINES: usize = PAGE_SIZE / SAMPLE_PART / SAMPLE_PARTS;
        let line = |part: usize| (random >> (part * 8)) as usize % LINES + part * LINES;
        Self {
            seed: random,
            offsets: core::array::from_fn(|part| line(part) * SAMPLE_PART),
        }
    }

    /// Returns the offsets of the parts, in bytes from the page's start. They are aligned to [`SAMPLE_PART`].
    pub fn offsets(&self) -> [usize; SAMPLE_PARTS] {
        self.offsets
    }

    /// Returns the XXH64 of a sample.
    pub fn sample_hash(&self, sample: &Sample) -> u64 {
        xxh64(sample, self.seed)
    }

    /// Returns the XXH64 of the sample that `read` reads: it fills a part with the bytes from an offset on.
    ///
    /// # Errors
    ///
    /// Returns the error of `read`.
    pub fn read_sample<E>(
        &self,
        mut read: impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut sample = [0; size_of::<Sample>()];
        let parts = sample.chunks_exact_mut(SAMPLE_PART);
        for (offset, part) in self.offsets.into_iter().zip(parts) {
            read(offset, part)?;
        }
        Ok(self.sample_hash(&sample))
    }

    /// Returns the XXH64 of the sample of a page that was read as a whole.
    pub fn sample_hash_of(&self, page: &PageCopy) -> u64 {
        let hash = self.read_sample(|offset, part: &mut [u8]| {
            if let Some(bytes) = page.get(offset..offset + part.len()) {
                part.copy_from_slice(bytes);
            }
            Ok::<_, Infallible>(())
        });
        match hash {
            Ok(hash) => hash,
            Err(never) => match never {},
        }
    }

    /// Returns the XXH64 of a whole page.
    pub fn page_hash(&self, page: &PageCopy) -> u64 {
        xxh64(page, self.seed)
    }
}
