// SPDX-License-Identifier: GPL-2.0-only

//! The hashes of a page and of a sample.

use logic::units::{PageCopy, PAGE_SIZE};
use logic_memory_info::page_hash::{Sampling, SAMPLE_PART};
use std::collections::BTreeSet;

fn page_hash(page: &PageCopy, seed: u64) -> u64 {
    Sampling::new(seed).page_hash(page)
}

#[test]
fn every_byte_and_the_seed_count() {
    let page = [0x5a; PAGE_SIZE];
    let hash = page_hash(&page, 1);
    assert_eq!(hash, page_hash(&page.clone(), 1), "the same page");
    assert_ne!(hash, page_hash(&page, 2), "another seed");
    let step = if cfg!(miri) { 512 } else { 1 };
    for changed in (0..PAGE_SIZE).step_by(step).chain([PAGE_SIZE - 1]) {
        let mut other = page;
        other[changed] ^= 1;
        assert_ne!(hash, page_hash(&other, 1), "byte {changed} changed");
    }
}

#[test]
fn samples_are_two_lines_that_random_bits_choose() {
    let mut seen = BTreeSet::new();
    for random in (0..10_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
        let [first, second] = Sampling::new(random).offsets();
        assert!(first < PAGE_SIZE / 2, "the first in the first half");
        assert!((PAGE_SIZE / 2..PAGE_SIZE).contains(&second));
        for offset in [first, second] {
            assert_eq!(offset % SAMPLE_PART, 0);
            seen.insert(offset);
        }
    }
    assert_eq!(seen.len(), PAGE_SIZE / SAMPLE_PART, "any line may be taken");
}
