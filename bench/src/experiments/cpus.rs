// SPDX-License-Identifier: GPL-2.0-only

//! What a second processor is worth to RESET.

use super::contents::hold;
use crate::experiment::{timed, Experiment, Log};
use crate::holder::Holder;
use crate::memory_info::{load_with_workers, MemoryInfo};
use crate::pages::{Content, Mapping, PAGE};
use crate::processors;
use anyhow::Result;
use std::ffi::CString;
use xxhash_rust::xxh3::xxh3_64;

const PAGES: usize = 120_000;
const SETS: usize = 64;
/// Bytes that a thread reads for comparison.
const HASHED: usize = 256 << 20;
const MEMORY: u64 = (PAGES * (PAGE + 128) + 2 * HASHED) as u64;

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "cpus::many-sets",
        quick: false,
        memory: MEMORY,
        run: many_sets,
    },
    Experiment {
        name: "cpus::one-big-set",
        quick: false,
        memory: MEMORY,
        run: one_big_set,
    },
];

fn one_big_set(log: &Log) -> Result<()> {
    let _holders = hold(Content::Different, PAGES)?;
    compare(log)
}

fn many_sets(log: &Log) -> Result<()> {
    const EACH: usize = PAGES / SETS;
    let mut holders = Vec::new();
    for set in 0..SETS {
        let name = CString::new(format!("bench-set-{set:02}"))?;
        let own = || Mapping::filled(Content::Different, EACH, set * EACH);
        holders.push(Holder::start(&name, own, |_, _| Ok(0))?);
    }
    compare(log)
}

fn compare(log: &Log) -> Result<()> {
    if processors::count()? < 2 {
        return log.skip("there is one processor");
    }
    let mut workers = [worker(0)?, worker(1)?];
    if load_with_workers(1)?.is_none() {
        log.skip("the module has no parameter workers: two processors are not compared with one")?;
    }
    for round in 0..log.rounds {
        // What this machine has in all: two that share nothing but memory may be slower than one.
        let one = timed(|| work(&mut workers[..1]))?;
        let two = timed(|| work(&mut workers))?;
        log.time(round, "a job", one)?;
        log.time(round, "half of two jobs at once", two / 2)?;
        for (measure, workers) in [("one worker", 1), ("all workers", 0)] {
            let Some(_module) = load_with_workers(workers)? else {
                continue;
            };
            let mut memory_info = MemoryInfo::open()?;
            memory_info.reset()?;
            log.time(round, measure, timed(|| memory_info.reset())?)?;
        }
    }
    Ok(())
}

/// A process on a processor of its own, which reads memory when it is told to. No thread, since User-mode Linux lets
/// threads of one process wait for each other.
fn worker(number: usize) -> Result<Holder> {
    let prepare = || {
        processors::pin(number)?;
        Ok(vec![1; HASHED])
    };
    Holder::start(c"bench-worker", prepare, |bytes, _| Ok(xxh3_64(bytes)))
}

/// Has all of them work at once.
fn work(workers: &mut [Holder]) -> Result<()> {
    workers.iter_mut().try_for_each(|worker| worker.tell(0))?;
    for worker in workers {
        worker.wait_for_answer()?;
    }
    Ok(())
}
