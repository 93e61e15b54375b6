// SPDX-License-Identifier: GPL-2.0

//! The page-content table: time for each page of a set, by what the pages hold.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use kernel::alloc::flags::GFP_KERNEL;
use logic::content_table::{ContentTable, Page, Pfn};
use logic::index::hash_number;
use logic::page_hash::{page_hash, PageCopy, PAGE_SIZE};
use std::hint::black_box;

const SIZES: [usize; 3] = [1000, 10_000, 100_000];
const SEED: u64 = 1;

#[derive(Debug)]
struct Frame(Pfn);

impl Page for Frame {
    fn pfn(&self) -> Pfn {
        self.0
    }
}

/// Enters pages by the hashes of what they hold; equal hashes are equal contents here.
fn enter(table: &mut ContentTable<Frame>, pages: usize, hash: impl Fn(usize) -> u64) {
    table.reserve(pages, GFP_KERNEL).expect("memory");
    for pfn in 0..pages {
        table
            .insert(Frame(pfn), hash(pfn), |_| true)
            .expect("reserved room");
    }
}

/// The hash of what a page holds, by its number.
type HashOf = fn(usize) -> u64;

/// As evenly spread as a hash.
fn spread(number: usize) -> u64 {
    hash_number(number).rotate_left(32)
}

fn insert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("content_table insert");
    for pages in SIZES {
        group.throughput(Throughput::Elements(pages as u64));
        let contents: [(&str, HashOf); 3] = [
            ("identical", |_| 7),
            ("different", spread),
            ("half", |pfn| if pfn % 2 == 0 { 7 } else { spread(pfn) }),
        ];
        for (name, hash) in contents {
            group.bench_function(BenchmarkId::new(name, pages), |bencher| {
                bencher.iter_batched(
                    ContentTable::new,
                    |mut table| {
                        enter(&mut table, pages, hash);
                        table
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

fn map_again(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("content_table map_again");
    for pages in SIZES {
        let mut table = ContentTable::new();
        enter(&mut table, pages, spread);
        group.throughput(Throughput::Elements(pages as u64));
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            bencher.iter(|| (0..pages).all(|pfn| table.map_again(black_box(pfn))));
        });
    }
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let page: PageCopy = [0x5a; PAGE_SIZE];
    let mut group = criterion.benchmark_group("page_hash");
    group.throughput(Throughput::Bytes(PAGE_SIZE as u64));
    group.bench_function("one page", |bencher| {
        bencher.iter(|| page_hash(black_box(&page), SEED));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    insert(&mut criterion);
    map_again(&mut criterion);
    hash(&mut criterion);
    criterion.final_summary();
}
