// SPDX-License-Identifier: GPL-2.0-only

//! The time to enter and classify a page, by the contents of the pages.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use kernel::alloc::flags::GFP_KERNEL;
use logic::hash::hash_number;
use logic::units::Pfn;
use protocol::scan::content_table::{ContentTable, Filling, PageAccess, Unclassified};
use protocol::scan::frame_set::{Cursor, FrameSet, Inserted};
use protocol::scan::record_table::{PageRecord, Place};
use std::hint::black_box;

const SIZES: [usize; 3] = [1000, 10_000, 100_000];

/// The contents of the pages, by their frame numbers, and the numbers that their samples are hashed from.
#[derive(Clone, Copy)]
struct World {
    content: fn(Pfn) -> usize,
    sample: fn(usize) -> usize,
}

const WORLDS: [(&str, World); 4] = [
    (
        "identical",
        World {
            content: |_| 7,
            sample: |content| content,
        },
    ),
    (
        "different",
        World {
            content: |pfn| pfn,
            sample: |content| content,
        },
    ),
    (
        "half",
        World {
            content: |pfn| if pfn % 2 == 0 { 7 } else { pfn },
            sample: |content| content,
        },
    ),
    (
        "different, all with one sample",
        World {
            content: |pfn| pfn,
            sample: |_| 7,
        },
    ),
];

/// The pages of a set, without memory that is read: only the work of the tables is measured.
struct Set {
    world: World,
    frames: FrameSet,
}

impl PageAccess for &Set {
    fn is_same(&mut self, page: &PageRecord, leader: &PageRecord, _: u64) -> Option<bool> {
        Some((self.world.content)(page.pfn) == (self.world.content)(leader.pfn))
    }

    fn content_hash(&mut self, page: &PageRecord, _: u64) -> Option<u64> {
        Some(spread((self.world.content)(page.pfn)))
    }

    fn merge_into(&mut self, follower: Pfn, leader: Pfn) {
        self.frames.clear_leader(follower);
        self.frames.mark_shared(leader, &mut Cursor::default());
    }
}

fn spread(number: usize) -> u64 {
    hash_number(number).rotate_left(32)
}

impl Set {
    fn with_room(world: World, pages: usize) -> (Self, ContentTable) {
        let mut frames = FrameSet::new();
        frames.reserve(pages, GFP_KERNEL).expect("memory");
        let mut table = ContentTable::new();
        table.reserve(2 * pages, GFP_KERNEL).expect("memory");
        (Self { world, frames }, table)
    }

    fn enter(&self, table: &ContentTable, pages: usize) {
        let mut cursor = Cursor::default();
        let mut filling = Filling::default();
        for pfn in 0..pages {
            let inserted = self.frames.insert(pfn, &mut cursor).expect("reserved room");
            if let Inserted::New { took_new_word } = inserted {
                self.frames.add_to_len(usize::from(took_new_word));
                let sample = spread((self.world.sample)((self.world.content)(pfn)));
                let place = Place {
                    space: 0,
                    page: pfn,
                };
                let record = PageRecord {
                    place,
                    pfn,
                    owner: 0,
                };
                let mut page = Unclassified::new(record, sample);
                table
                    .classify(&mut page, &mut &*self, &mut filling)
                    .expect("reserved room");
            }
        }
        table.count(&mut filling);
    }
}

fn classify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("content_table classify");
    for pages in SIZES {
        group.throughput(Throughput::Elements(pages as u64));
        for (name, world) in WORLDS {
            group.bench_function(BenchmarkId::new(name, pages), |bencher| {
                bencher.iter_batched(
                    || Set::with_room(world, pages),
                    |(set, table)| {
                        set.enter(&table, pages);
                        (set, table)
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

fn mark_shared(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame_set mark_shared");
    let (_, world) = WORLDS[1];
    for pages in SIZES {
        let (set, table) = Set::with_room(world, pages);
        set.enter(&table, pages);
        group.throughput(Throughput::Elements(pages as u64));
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            bencher.iter(|| {
                let mut cursor = Cursor::default();
                (0..pages).all(|pfn| set.frames.mark_shared(black_box(pfn), &mut cursor))
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    classify(&mut criterion);
    mark_shared(&mut criterion);
    criterion.final_summary();
}
