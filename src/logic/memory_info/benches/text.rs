// SPDX-License-Identifier: GPL-2.0-only

//! What is written to and read from the file: parsing of commands, formatting of a set's line.

use criterion::{BenchmarkId, Criterion, Throughput};
use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use logic::comm::Comm;
use logic::text::Print;
use logic_memory_info::command::Command;
use logic_memory_info::counts::Counts;
use logic_memory_info::report::SetLine;
use std::hint::black_box;

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("command parse");
    let commands: [(&str, &[u8]); 4] = [
        ("RESET", b"RESET\n"),
        ("ALL", b"ALL\n"),
        ("FILTER", b"FILTER|a-name-of-15-by\n"),
        ("unknown", b"FILTERS|a-name-of-15-by\n"),
    ];
    for (name, written) in commands {
        group.bench_function(name, |bencher| {
            bencher.iter(|| Command::parse(black_box(written)));
        });
    }
    group.finish();
}

fn print(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("set print");
    let comm = Comm::new(b"a-name-of-15-by").expect("a possible name");
    let counts = Counts {
        total: 123_456_789,
        valid: 1_234_567,
        may_be_shared: 12_345,
        nb_group: 123,
    };
    for processes in [1, 100, 10_000] {
        let pids: Vec<u32> = (0..processes).map(|index| 100_000 + 7 * index).collect();
        let set = SetLine {
            comm: &comm,
            counts: &counts,
            pids: &pids,
        };
        let len = set.printed_len();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("pids", processes), |bencher| {
            let mut text = KVVec::with_capacity(len, GFP_KERNEL).expect("memory");
            bencher.iter(|| {
                text.clear();
                black_box(&set).append_to(&mut text).expect("room for it");
                text.len()
            });
        });
        group.bench_function(BenchmarkId::new("length, pids", processes), |bencher| {
            bencher.iter(|| black_box(&set).printed_len());
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parse(&mut criterion);
    print(&mut criterion);
    criterion.final_summary();
}
