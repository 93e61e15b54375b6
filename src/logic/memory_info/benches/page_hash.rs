// SPDX-License-Identifier: GPL-2.0-only

//! Time to hash a page and a sample of a page.

use criterion::Criterion;
use logic::units::{PageCopy, PAGE_SIZE};
use logic_memory_info::page_hash::{Sample, Sampling, SAMPLE_PART, SAMPLE_PARTS};
use std::hint::black_box;

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
    hash(&mut criterion);
    criterion.final_summary();
}
