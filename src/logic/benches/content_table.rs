// SPDX-License-Identifier: GPL-2.0-only

//! Frames and their classes: time for each page of a set, by what the pages hold.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use kernel::alloc::flags::GFP_KERNEL;
use logic::content_table::{ContentTable, Pages};
use logic::frame_set::{FrameSet, Inserted, Near};
use logic::hash::hash_number;
use logic::units::{PageCopy, Pfn, PAGE_SIZE};
use logic_memory_info::page_hash::{Sample, Sampling, SAMPLE_PART, SAMPLE_PARTS};
use std::hint::black_box;

const SIZES: [usize; 3] = [1000, 10_000, 100_000];

/// What pages hold, by their numbers, and how it hashes: as evenly spread as by a hash.
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

/// A set's pages, without memory to be read: what is measured is the table's own work.
struct Set {
    world: World,
    frames: FrameSet,
}

impl Pages for &Set {
    fn is_same(&mut self, a: Pfn, b: Pfn) -> bool {
        (self.world.content)(a) == (self.world.content)(b)
    }

    fn content_hash(&mut self, pfn: Pfn) -> u64 {
        spread((self.world.content)(pfn))
    }

    fn join(&mut self, follower: Pfn, leader: Pfn) {
        self.frames.follow(follower);
        self.frames.see_again(leader, &mut Near::default());
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
        let mut near = Near::default();
        for pfn in 0..pages {
            let inserted = self.frames.insert(pfn, &mut near).expect("reserved room");
            if let Inserted::New { fills } = inserted {
                self.frames.count_filled(usize::from(fills));
                let sample = spread((self.world.sample)((self.world.content)(pfn)));
                let mut filled = 0;
                table
                    .class(pfn, sample, &mut &*self, &mut filled)
                    .expect("reserved room");
                table.count_filled(filled);
            }
        }
    }
}

fn class(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("content_table class");
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

fn see_again(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame_set see_again");
    let (_, world) = WORLDS[1];
    for pages in SIZES {
        let (set, table) = Set::with_room(world, pages);
        set.enter(&table, pages);
        group.throughput(Throughput::Elements(pages as u64));
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            bencher.iter(|| {
                let mut near = Near::default();
                (0..pages).all(|pfn| set.frames.see_again(black_box(pfn), &mut near))
            });
        });
    }
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let sampling = Sampling::new(1);
    let page: PageCopy = [0x5a; PAGE_SIZE];
    let sample: Sample = [0x5a; SAMPLE_PART * SAMPLE_PARTS];
    let mut group = criterion.benchmark_group("page_hash");
    group.bench_function("a page", |bencher| {
        bencher.iter(|| sampling.page_hash(black_box(&page)));
    });
    group.bench_function("a sample", |bencher| {
        bencher.iter(|| sampling.sample_hash(black_box(&sample)));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    class(&mut criterion);
    see_again(&mut criterion);
    hash(&mut criterion);
    criterion.final_summary();
}
