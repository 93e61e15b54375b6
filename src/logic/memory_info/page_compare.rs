// SPDX-License-Identifier: GPL-2.0-only

//! Comparison of the contents of two pages.

use logic::units::PageCopy;

/// Bytes that are compared between two decisions.
const STEP: usize = 64;

/// Returns true if both copies hold the same bytes.
///
/// The kernel's `memcmp()` compares eight bytes at a time at best, and single bytes on architectures that do not
/// declare efficient unaligned access; this compares eight words without a branch.
///
/// # Examples
///
/// ```
/// use logic::units::PAGE_SIZE;
/// use logic_memory_info::page_compare::is_same_page;
///
/// let zeros = [0; PAGE_SIZE];
/// let mut other = zeros;
/// assert!(is_same_page(&zeros, &other));
/// other[PAGE_SIZE - 1] = 1;
/// assert!(!is_same_page(&zeros, &other));
/// ```
pub fn is_same_page(a: &PageCopy, b: &PageCopy) -> bool {
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP));
    steps.map(|(a, b)| differences(a, b)).all(|bits| bits == 0)
}

/// Returns the bits in which the words of two slices differ.
#[inline]
fn differences(a: &[u8], b: &[u8]) -> u64 {
    let words = words(a).zip(words(b));
    words.fold(0, |bits, (a, b)| bits | (a ^ b))
}

#[inline]
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let words = bytes.chunks_exact(size_of::<u64>());
    words.map(|word| word.try_into().map_or(0, u64::from_ne_bytes))
}
