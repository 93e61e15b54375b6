// SPDX-License-Identifier: GPL-2.0-only

//! Frames and their classes against standard maps: colliding samples and hashes, pages that are met again,
//! full tables, exhausted memory.

mod checked;

use checked::{spread, Checked, World, DISTINCT};
use kernel::alloc::flags::GFP_KERNEL;
use kernel::testing::fail_allocations_after;
use logic::units::{Pfn, MAX_PFN};
use proptest::prelude::*;
use protocol::scan::content_table::ContentTable;
use protocol::scan::frame_set::{Cursor, FrameSet};
use protocol::scan::word_table::TableFull;

#[derive(Clone, Debug)]
enum Step {
    Map(Pfn),
    See(Pfn),
    Reserve { pages: usize, allocations: usize },
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pfn = prop_oneof![0..40_usize, any::<u32>().prop_map(|pfn| pfn as Pfn)];
    let step = prop_oneof![
        12 => pfn.clone().prop_map(Step::Map),
        3 => pfn.prop_map(Step::See),
        3 => (0..400_usize, 0..40_usize)
            .prop_map(|(pages, allocations)| Step::Reserve { pages, allocations }),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..if cfg!(miri) { 40 } else { 300 })
}

fn hashes() -> impl Strategy<Value = fn(u64) -> u64> {
    prop_oneof![
        Just(spread as fn(u64) -> u64),
        Just((|_| 0) as fn(u64) -> u64),
        Just((|_| u64::MAX) as fn(u64) -> u64),
        // All in one shard, and different in the low bits only.
        Just((|content| content) as fn(u64) -> u64),
        Just((|content| (content % 3) << 8) as fn(u64) -> u64),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    let contents = prop_oneof![
        Just((|pfn| pfn) as fn(u64) -> u64),
        Just((|pfn| pfn % 7) as fn(u64) -> u64),
        Just((|pfn| pfn / 2) as fn(u64) -> u64),
        Just((|_| 0) as fn(u64) -> u64),
    ];
    (contents, hashes(), hashes()).prop_map(|(content, sample_hash, content_hash)| World {
        content,
        sample_hash,
        content_hash,
    })
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
    fn agrees_with_a_map(steps in steps(), world in worlds()) {
        let mut checked = Checked::new(world);
        for step in steps {
            match step {
                Step::Map(pfn) => checked.map(pfn),
                Step::See(pfn) => {
                    let known = checked.known.contains(&pfn);
                    prop_assert_eq!(checked.frames.mark_shared(pfn, &mut Cursor::default()), known);
                    if known {
                        checked.mapped += 1;
                        *checked.mappings.entry(world.content_of(pfn)).or_default() += 1;
                    }
                }
                Step::Reserve { pages, allocations } => {
                    let failing = fail_allocations_after(allocations);
                    let frames = checked.frames.reserve(pages, GFP_KERNEL);
                    let table = checked.table.reserve(pages, GFP_KERNEL);
                    drop(failing);
                    if frames.is_ok() {
                        prop_assert!(checked.frames.room() >= pages);
                    }
                    if table.is_ok() {
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
fn a_page_mapped_twice_is_its_own_partner() {
    let mut checked = Checked::new(DISTINCT);
    checked.map(1);
    checked.map(2);
    assert_eq!(checked.frames.tally().singletons, 2);
    checked.map(1);
    checked.check();
    assert_eq!(checked.frames.tally().singletons, 1);
    assert!(
        !checked.frames.mark_shared(3, &mut Cursor::default()),
        "not entered yet"
    );
}

#[test]
fn neighbours_and_the_last_frame_are_told_apart() {
    let mut checked = Checked::new(DISTINCT);
    let last = MAX_PFN - 1;
    for pfn in (0..64).step_by(3).chain([last - 8, last]) {
        checked.map(pfn);
    }
    assert!(!checked.frames.contains(1, &mut Cursor::default()));
    assert!(!checked.frames.contains(last - 1, &mut Cursor::default()));
    checked.check_known();
}

#[test]
fn equal_hashes_are_no_proof() {
    let mut checked = Checked::new(World {
        sample_hash: |_| 42,
        content_hash: |_| 42,
        ..DISTINCT
    });
    for pfn in 0..60 {
        checked.map(pfn);
    }
    checked.check_known();
    assert_eq!(checked.frames.tally().classes, 60);
}

/// Pages that share their sample only do not cost a comparison with each other.
#[test]
fn crafted_samples_are_not_quadratic() {
    let mut checked = Checked::new(World {
        sample_hash: |_| 42,
        ..DISTINCT
    });
    let pages = if cfg!(miri) { 300 } else { 20_000 };
    for pfn in 0..pages {
        checked.map(pfn);
    }
    checked.check();
    // Each is compared with the first page of the sample, and tags of 29 bits hardly agree by chance.
    assert!(
        checked.comparisons < pages + pages / 10,
        "{} comparisons",
        checked.comparisons
    );
}

/// The first page of a sample is lost before the second one comes.
#[test]
fn a_lost_first_page_is_replaced() {
    let mut checked = Checked::new(World {
        content: |pfn| pfn / 4,
        sample_hash: |_| 7,
        content_hash: spread,
    });
    checked.map(0);
    checked.lost.insert(0);
    for pfn in [4, 5, 6, 1, 2] {
        checked.map(pfn);
    }
    let tally = checked.frames.tally();
    assert_eq!(
        tally.classes, 3,
        "of the lost page, and of the two contents"
    );
    assert_eq!(tally.singletons, 1, "the lost page");
}

/// The leader of a class is lost, also that which replaced it: the class stays one class.
#[test]
fn a_class_survives_its_leaders() {
    for sample_hash in [|_| 7, spread as fn(u64) -> u64] {
        let mut checked = Checked::new(World {
            content: |pfn| pfn / 10,
            sample_hash,
            content_hash: spread,
        });
        for pfn in [0, 10, 1, 11] {
            checked.map(pfn);
        }
        for (lost, next) in [(0, 2), (1, 3), (2, 4), (10, 12), (3, 5), (11, 13)] {
            checked.lost.insert(lost);
            checked.map(next);
            checked.check();
        }
        assert_eq!(checked.frames.tally().classes, 2);
    }
}

/// A page that cannot be read itself stays alone, and harms nobody.
#[test]
fn a_lost_page_stays_alone() {
    let mut checked = Checked::new(World {
        content: |_| 7,
        ..DISTINCT
    });
    checked.map(1);
    checked.map(2);
    checked.lost.insert(3);
    checked.map(3);
    checked.map(4);
    let tally = checked.frames.tally();
    assert_eq!((tally.classes, tally.singletons), (2, 1));
}

/// The first page with a sample is found by its content too, whether the identical pages come before the
/// sample is split or after it.
#[test]
fn a_split_sample_keeps_its_classes() {
    for order in [[1, 3, 0, 2], [0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0]] {
        let mut checked = Checked::new(World {
            content: |pfn| pfn % 2,
            sample_hash: |_| 7,
            content_hash: spread,
        });
        for pfn in order {
            checked.map(pfn);
            checked.check();
        }
        assert_eq!(checked.frames.tally().classes, 2);
    }
}

#[test]
fn identical_pages_make_one_class() {
    let mut checked = Checked::new(World {
        content: |_| 7,
        ..DISTINCT
    });
    for pfn in 0..1000 {
        checked.map(pfn);
    }
    checked.check();
    assert_eq!(checked.frames.tally().classes, 1);
    assert!(
        checked.comparisons <= 1000,
        "each is compared once, not {} times for 999",
        checked.comparisons
    );
}

#[test]
fn empty_tables_have_no_room() {
    let frames = FrameSet::new();
    assert_eq!(frames.room(), 0);
    assert_eq!(frames.insert(1, &mut Cursor::default()), Err(TableFull));
    assert!(!frames.mark_shared(1, &mut Cursor::default()));
    let table = ContentTable::new();
    assert_eq!(table.room(), 0);
}

#[test]
fn reserve_without_memory_changes_nothing() {
    let mut checked = Checked::new(World {
        content: |pfn| pfn % 5,
        ..DISTINCT
    });
    for pfn in 0..50 {
        checked.map(pfn);
    }
    // Each shard grows by itself.
    for allocations in [0, 1, 7, 15] {
        let failing = fail_allocations_after(allocations);
        let pages = 1 << (16 + allocations / 4);
        let frames = checked.frames.reserve(pages, GFP_KERNEL);
        drop(failing);
        let failing = fail_allocations_after(allocations);
        let table = checked.table.reserve(pages, GFP_KERNEL);
        drop(failing);
        assert!(frames.is_err() && table.is_err(), "{allocations}");
        checked.check_known();
    }
    assert!(checked.frames.reserve(usize::MAX, GFP_KERNEL).is_err());
    assert!(checked.table.reserve(usize::MAX, GFP_KERNEL).is_err());
    checked.frames.reserve(1 << 20, GFP_KERNEL).expect("memory");
    checked.table.reserve(1 << 20, GFP_KERNEL).expect("memory");
    checked.check_known();
}

/// A caller that reserves until there is room must come to an end.
#[test]
fn reserved_room_is_room() {
    for pages in 1..3000 {
        let mut frames = FrameSet::new();
        frames.reserve(pages, GFP_KERNEL).expect("memory");
        assert!(frames.room() >= pages, "{} for {pages}", frames.room());
    }
}

#[test]
fn small_sets_after_large_ones() {
    let mut checked = Checked::new(DISTINCT);
    let pages = if cfg!(miri) { 500 } else { 10_000 };
    for small in [0, 1, 3] {
        for pfn in 0..pages {
            checked.map(pfn);
        }
        checked.check();
        checked.clear();
        for pfn in 0..small {
            checked.map(pfn);
        }
        checked.check_known();
        checked.clear();
    }
}

#[test]
fn classes_are_found_after_growing() {
    let mut checked = Checked::new(World {
        content: |pfn| pfn / 2,
        ..DISTINCT
    });
    let pages = if cfg!(miri) { 500 } else { 20_000 };
    for pfn in (0..pages).step_by(2).chain((1..pages).step_by(2)) {
        if checked.table.room() == 0 {
            checked.table.reserve(1, GFP_KERNEL).expect("memory");
        }
        checked.map(pfn);
    }
    checked.check_known();
    assert_eq!(checked.frames.tally().classes, pages as u64 / 2);
}

#[test]
fn growing_is_geometric() {
    let mut checked = Checked::new(DISTINCT);
    let mut growths = 0;
    let pages = if cfg!(miri) { 500 } else { 100_000 };
    for pfn in 0..pages {
        if checked.table.room() == 0 {
            checked.table.reserve(1, GFP_KERNEL).expect("memory");
            growths += 1;
        }
        checked.map(pfn);
    }
    assert!(
        growths <= 2 * (pages.ilog2() + 1),
        "{growths} growths for {pages} pages"
    );
    checked.check();
}
