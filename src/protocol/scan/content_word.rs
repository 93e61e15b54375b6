// SPDX-License-Identifier: GPL-2.0-only

//! The words of a [content table](super::content_table): its entries, and the words of its classes.
//!
//! | bits of an entry | |
//! |---|---|
//! | 0 | always set |
//! | 1 | entered by the hash of the content, not of the sample |
//! | 2 | *split*: pages with this sample are entered by their content as well |
//! | 3-31 | tag: bits of the hash |
//! | 32-63 | index of the first page's record or, by content or if split, of the class's word |
//!
//! | bits of a class's word | |
//! |---|---|
//! | 0-31 | top bits of the hash of the content |
//! | 32-63 | index of the leader's record |

use super::record_table::RecordIndex;
use logic::hash::hash_number;

pub(super) const USED: u64 = 1;
pub(super) const BY_CONTENT: u64 = 1 << 1;
pub(super) const SPLIT: u64 = 1 << 2;
const TAG_SHIFT: u32 = 3;
const TAG_MASK: u64 = ((1 << 29) - 1) << TAG_SHIFT;
const INDEX_SHIFT: u32 = 32;
const CLASS_HASH_MASK: u64 = (1 << 32) - 1;

/// Returns true if two hashes of samples are the same to a table: it keeps some bits of them.
pub fn is_like_sample(a: u64, b: u64) -> bool {
    tag_of(a) == tag_of(b)
}

/// Tells whether two entries are by the same kind of hash, with the same tag.
pub(super) fn is_like(entry: u64, wanted: u64) -> bool {
    (entry ^ wanted) & (BY_CONTENT | TAG_MASK) == 0
}

pub(super) fn tag_of(hash: u64) -> u64 {
    hash & TAG_MASK
}

pub(super) fn index_bits(index: RecordIndex) -> u64 {
    u64::from(index) << INDEX_SHIFT
}

pub(super) fn index_of(word: u64) -> RecordIndex {
    (word >> INDEX_SHIFT) as RecordIndex
}

pub(super) fn class_hash(hash: u64) -> u64 {
    hash >> (u64::BITS - 32)
}

/// Returns true if a leader still has the content of its class, which was found by `hash`: then a different page is
/// of another class with the same hash.
pub(super) fn still_has(leader_hash: Option<u64>, hash: u64) -> bool {
    leader_hash.is_some_and(|leader| kept_bits(leader) == kept_bits(hash))
}

/// Returns the bits of a content's hash that an entry and its class's word keep.
fn kept_bits(hash: u64) -> (u64, u64) {
    (tag_of(hash), class_hash(hash))
}

/// Returns the bits of a hash that a class's word holds.
pub(super) fn class_hash_of(word: u64) -> u64 {
    word & CLASS_HASH_MASK
}

pub(super) fn class_word(leader: RecordIndex, hash: u64) -> u64 {
    class_hash(hash) | index_bits(leader)
}

/// Returns the home of an entry. The hash's top bits select the shard; the rest comes from the bits of
/// the hash that the entry holds, so that growing does not read pages.
pub(super) fn home(hash: u64, entry: u64) -> u64 {
    const SHARD: u64 = 0xf << 60;
    hash & SHARD | home_of_entry(entry) & !SHARD
}

pub(super) fn home_of_entry(entry: u64) -> u64 {
    hash_number((entry & (BY_CONTENT | TAG_MASK)) as usize) >> 4
}
