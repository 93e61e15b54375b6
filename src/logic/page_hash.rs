// SPDX-License-Identifier: GPL-2.0

//! The hash of a page's content.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// A private copy of one page, so that the bytes stand still while they are hashed and compared.
pub type PageCopy = [u8; PAGE_SIZE];

/// XXH3 (64 bits) of a page. The seed should be secret: whoever knows it can craft pages that
/// collide. Equal hashes are a hint, never proof of equal pages.
pub fn page_hash(page: &PageCopy, seed: u64) -> u64 {
    xxh3_64_with_seed(page, seed)
}
