// SPDX-License-Identifier: GPL-2.0

//! The page-content table against a standard map: colliding hashes, pages seen again, no memory.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::testing::fail_allocations_after;
use logic::content_table::{ContentTable, NoRoom, Page, Pfn};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A page whose handle can be counted.
#[derive(Debug)]
struct TestPage {
    pfn: Pfn,
    _handle: Rc<()>,
}

impl Page for TestPage {
    fn pfn(&self) -> Pfn {
        self.pfn
    }
}

/// The table, and what a plain reading of the definition says that it holds.
struct Checked {
    table: ContentTable<TestPage>,
    contents: fn(u64) -> u64,
    hash: fn(u64) -> u64,
    handles: Rc<()>,
    known: HashSet<Pfn>,
    mappings: HashMap<u64, u64>,
}

impl Checked {
    fn new(contents: fn(u64) -> u64, hash: fn(u64) -> u64) -> Self {
        Self {
            table: ContentTable::new(),
            contents,
            hash,
            handles: Rc::new(()),
            known: HashSet::new(),
            mappings: HashMap::new(),
        }
    }

    /// Enters one mapping of a page. False if the table had no room.
    fn map(&mut self, pfn: Pfn) -> bool {
        let contents = self.contents;
        let content = contents(pfn as u64);
        let page = TestPage {
            pfn,
            _handle: self.handles.clone(),
        };
        let room = self.table.room();
        let entered = self.table.insert(page, (self.hash)(content), |other| {
            contents(other.pfn as u64) == content
        });
        match entered {
            Ok(()) => {
                self.known.insert(pfn);
                *self.mappings.entry(content).or_default() += 1;
                true
            }
            Err(NoRoom(page)) => {
                assert_eq!(page.pfn, pfn, "the page that did not fit comes back");
                assert_eq!(room, 0, "a table with room takes a page");
                false
            }
        }
    }

    fn map_with_room(&mut self, pfn: Pfn) {
        if self.table.room() == 0 {
            self.table.reserve(1, GFP_KERNEL).expect("memory");
        }
        assert!(self.map(pfn), "reserved room for {pfn}");
    }

    fn clear(&mut self) {
        self.table.clear();
        self.known.clear();
        self.mappings.clear();
    }

    fn check(&self) {
        let shared = self.mappings.values().filter(|pages| **pages >= 2);
        assert_eq!(self.table.may_be_shared(), shared.clone().sum::<u64>());
        assert_eq!(self.table.nb_group(), shared.count() as u64);
        assert_eq!(
            Rc::strong_count(&self.handles) - 1,
            self.known.len(),
            "one handle is kept of each physical page"
        );
    }

    /// Every page that was entered is still found.
    fn check_known(&mut self) {
        for pfn in self.known.clone() {
            assert!(self.table.map_again(pfn), "page {pfn} is known");
            *self
                .mappings
                .entry((self.contents)(pfn as u64))
                .or_default() += 1;
        }
        self.check();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Map(Pfn),
    MapAgain(Pfn),
    Reserve { pages: usize, allocations: usize },
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pfn = prop_oneof![0..40_usize, any::<u32>().prop_map(|pfn| pfn as Pfn)];
    let step = prop_oneof![
        12 => pfn.clone().prop_map(Step::Map),
        3 => pfn.prop_map(Step::MapAgain),
        3 => (0..40_usize, 0..4_usize)
            .prop_map(|(pages, allocations)| Step::Reserve { pages, allocations }),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..if cfg!(miri) { 40 } else { 300 })
}

fn hashes() -> impl Strategy<Value = fn(u64) -> u64> {
    prop_oneof![
        Just((|content| content.wrapping_mul(0x9e37_79b9_7f4a_7c15)) as fn(u64) -> u64),
        Just((|_| 0) as fn(u64) -> u64),
        Just((|_| u64::MAX) as fn(u64) -> u64),
        // All in the same slot, told apart by the low bits only.
        Just((|content| content) as fn(u64) -> u64),
        Just((|content| (content % 3) << 32) as fn(u64) -> u64),
    ]
}

fn contents() -> impl Strategy<Value = fn(u64) -> u64> {
    prop_oneof![
        Just((|pfn| pfn) as fn(u64) -> u64),
        Just((|pfn| pfn % 7) as fn(u64) -> u64),
        Just((|pfn| pfn / 2) as fn(u64) -> u64),
        Just((|_| 0) as fn(u64) -> u64),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 6 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn agrees_with_a_map(steps in steps(), hash in hashes(), contents in contents()) {
        let mut checked = Checked::new(contents, hash);
        for step in steps {
            match step {
                Step::Map(pfn) => {
                    checked.map(pfn);
                }
                Step::MapAgain(pfn) => {
                    let known = checked.known.contains(&pfn);
                    prop_assert_eq!(checked.table.map_again(pfn), known);
                    if known {
                        *checked.mappings.entry(contents(pfn as u64)).or_default() += 1;
                    }
                }
                Step::Reserve { pages, allocations } => {
                    let failing = fail_allocations_after(allocations);
                    let reserved = checked.table.reserve(pages, GFP_KERNEL);
                    drop(failing);
                    if reserved.is_ok() {
                        prop_assert!(checked.table.room() >= pages);
                    }
                    checked.check_known();
                }
                Step::Clear => checked.clear(),
            }
            checked.check();
        }
        checked.check_known();
    }
}

#[test]
fn a_page_alone_is_not_shared() {
    let mut checked = Checked::new(|pfn| pfn, |content| content << 32);
    checked.map_with_room(1);
    checked.map_with_room(2);
    checked.check();
    assert_eq!(
        (checked.table.may_be_shared(), checked.table.nb_group()),
        (0, 0)
    );
}

#[test]
fn a_page_mapped_twice_is_its_own_partner() {
    let mut checked = Checked::new(|pfn| pfn, |content| content << 32);
    checked.map_with_room(1);
    checked.map_with_room(1);
    assert_eq!(
        (checked.table.may_be_shared(), checked.table.nb_group()),
        (2, 1)
    );
    assert!(checked.table.map_again(1));
    assert_eq!(
        (checked.table.may_be_shared(), checked.table.nb_group()),
        (3, 1)
    );
    assert!(!checked.table.map_again(2), "not entered yet");
}

#[test]
fn equal_hashes_are_no_proof() {
    let mut checked = Checked::new(|pfn| pfn, |_| 42);
    for pfn in 0..100 {
        checked.map_with_room(pfn);
    }
    checked.check();
    assert_eq!(checked.table.nb_group(), 0);
}

#[test]
fn identical_pages_make_one_class() {
    let mut checked = Checked::new(|_| 7, |content| content << 32);
    for pfn in 0..1000 {
        checked.map_with_room(pfn);
    }
    checked.check();
    assert_eq!(
        (checked.table.may_be_shared(), checked.table.nb_group()),
        (1000, 1)
    );
}

#[test]
fn an_empty_table_has_no_room() {
    let mut checked = Checked::new(|pfn| pfn, |content| content);
    assert_eq!(checked.table.room(), 0);
    assert!(!checked.map(1));
    assert!(!checked.table.map_again(1));
    checked.check();
}

#[test]
fn known_pages_need_no_room() {
    let mut checked = Checked::new(|pfn| pfn % 2, |content| content);
    let mut pfn = 0;
    checked.table.reserve(1, GFP_KERNEL).expect("memory");
    while checked.map(pfn) {
        pfn += 1;
    }
    assert!(pfn >= 1);
    assert!(
        checked.map(0),
        "a page that is known joins its class in a full table"
    );
    checked.check();
}

#[test]
fn reserve_without_memory_changes_nothing() {
    let mut checked = Checked::new(|pfn| pfn % 5, |content| content % 2);
    for pfn in 0..50 {
        checked.map_with_room(pfn);
    }
    // Growing takes at most three allocations: the records and two indices.
    for allocations in 0..3 {
        let failing = fail_allocations_after(allocations);
        let reserved = checked.table.reserve(1 << (16 + allocations), GFP_KERNEL);
        drop(failing);
        assert!(reserved.is_err(), "after {allocations} allocations");
        checked.check_known();
    }
    checked.table.reserve(1 << 20, GFP_KERNEL).expect("memory");
    checked.check_known();
}

#[test]
fn more_pages_than_numbers_are_refused() {
    let mut checked = Checked::new(|pfn| pfn, |content| content);
    assert!(checked
        .table
        .reserve(u32::MAX as usize, GFP_KERNEL)
        .is_err());
    assert!(checked.table.reserve(usize::MAX, GFP_KERNEL).is_err());
    checked.map_with_room(1);
    assert!(checked.table.reserve(usize::MAX, GFP_KERNEL).is_err());
    checked.check_known();
}

#[test]
fn a_cleared_table_serves_the_next_set() {
    let mut checked = Checked::new(|pfn| pfn % 10, |content| content % 4);
    for round in 0..4 {
        for pfn in 0..200 {
            if round == 0 {
                checked.map_with_room(pfn);
            } else {
                assert!(
                    checked.map(pfn + round * 17),
                    "the memory of the first set is enough"
                );
            }
        }
        checked.check_known();
        checked.clear();
        checked.check();
        assert!(!checked.table.map_again(round * 17), "forgotten");
    }
}

#[test]
fn a_small_set_after_a_large_one() {
    let mut checked = Checked::new(|pfn| pfn, |content| content << 32);
    let pages = if cfg!(miri) { 500 } else { 10_000 };
    for small in [0, 1, 3] {
        checked.table.reserve(pages, GFP_KERNEL).expect("memory");
        for pfn in 0..pages {
            assert!(checked.map(pfn));
        }
        checked.clear();
        for pfn in 0..small {
            checked.map_with_room(pfn);
        }
        checked.check_known();
        checked.clear();
    }
}

#[test]
fn classes_are_found_after_growing() {
    let hash = |content: u64| content.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut checked = Checked::new(|pfn| pfn / 2, hash);
    let pages = if cfg!(miri) { 500 } else { 20_000 };
    for pfn in (0..pages).step_by(2).chain((1..pages).step_by(2)) {
        checked.map_with_room(pfn);
    }
    checked.check_known();
    assert_eq!(checked.table.nb_group(), pages as u64 / 2);
}

#[test]
fn growing_is_geometric() {
    let mut checked = Checked::new(|pfn| pfn, |content| content << 40);
    let mut growths = 0;
    let pages = if cfg!(miri) { 500 } else { 100_000 };
    for pfn in 0..pages {
        if checked.table.room() == 0 {
            checked.table.reserve(1, GFP_KERNEL).expect("memory");
            growths += 1;
        }
        assert!(checked.map(pfn));
    }
    // Three arrays, each doubling.
    assert!(
        growths <= 3 * (pages.ilog2() + 1),
        "{growths} growths for {pages} pages"
    );
    checked.check();
}
