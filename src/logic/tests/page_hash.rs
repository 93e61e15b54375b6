// SPDX-License-Identifier: GPL-2.0

//! The hash of a page.

use logic::page_hash::{page_hash, PAGE_SIZE};

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
