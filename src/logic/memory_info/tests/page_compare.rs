// SPDX-License-Identifier: GPL-2.0-only

//! Comparison of pages: each byte counts.

use logic::units::PAGE_SIZE;
use logic_memory_info::page_compare::is_same_page;

#[test]
fn each_byte_counts() {
    let page: [u8; PAGE_SIZE] = std::array::from_fn(|at| (at * 7) as u8);
    for at in 0..PAGE_SIZE {
        let mut other = page;
        other[at] ^= 0x10;
        assert!(!is_same_page(&page, &other), "byte {at}");
    }
    assert!(is_same_page(&page, &page.clone()));
}
