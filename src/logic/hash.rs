// SPDX-License-Identifier: GPL-2.0-only

//! Hashes of numbers, for open-addressing tables.

/// Returns a hash of a number that comes in runs, such as a frame number or an address.
///
/// Knuth's multiplicative hash, by 2^64 / golden ratio. The high bits are mixed best.
#[inline]
pub fn hash_number(number: usize) -> u64 {
    (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
