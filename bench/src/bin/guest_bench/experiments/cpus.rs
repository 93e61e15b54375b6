// SPDX-License-Identifier: GPL-2.0-only

//! Time of RESET with one CPU and with two.

use super::contents::hold_pages;
use crate::affinity;
use crate::experiment::{timed, Experiment, Results};
use crate::helper_process::HelperProcess;
use crate::memory_info::{load_with_workers, MemoryInfo};
use crate::pages::{map_filled, Content};
use anyhow::Result;
use guest::mapping::PAGE;
use std::ffi::CString;
use xxhash_rust::xxh3::xxh3_64;

const PAGES: usize = 120_000;
const SETS: usize = 64;
/// Bytes that a process reads for comparison.
const HASHED: usize = 256 << 20;
const MEMORY: u64 = (PAGES * (PAGE + 128) + 2 * HASHED) as u64;

/// Experiments of this file.
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

fn one_big_set(results: &Results) -> Result<()> {
    let _holders = hold_pages(Content::Different, PAGES)?;
    compare(results)
}

fn many_sets(results: &Results) -> Result<()> {
    const EACH: usize = PAGES / SETS;
    let mut processes = Vec::new();
    for set in 0..SETS {
        let name = CString::new(format!("bench-set-{set:02}"))?;
        let own = || map_filled(Content::Different, EACH, set * EACH);
        processes.push(HelperProcess::start(&name, own, |_, _| Ok(0))?);
    }
    compare(results)
}

fn compare(results: &Results) -> Result<()> {
    if affinity::online_cpus()? < 2 {
        return results.skip("the guest has one CPU");
    }
    let mut workers = [worker(0)?, worker(1)?];
    if load_with_workers(1)?.is_none() {
        results.skip(
            "the module does not have the parameter workers: one CPU and two cannot be compared",
        )?;
    }
    for round in 0..results.rounds {
        // Shows what two CPUs of this machine can do at all: two independent jobs may take longer than one.
        let one = timed(|| work(&mut workers[..1]))?;
        let two = timed(|| work(&mut workers))?;
        results.time(round, "a job", one)?;
        results.time(round, "half of two jobs at once", two / 2)?;
        for (measure, workers) in [("one worker", 1), ("all workers", 0)] {
            let Some(_module) = load_with_workers(workers)? else {
                continue;
            };
            let mut memory_info = MemoryInfo::open()?;
            memory_info.reset()?;
            results.time(round, measure, timed(|| memory_info.reset())?)?;
        }
    }
    Ok(())
}

/// Starts a process on a CPU of its own that reads memory on request. A thread would not do: User-mode Linux serializes
/// the threads of a process.
fn worker(number: usize) -> Result<HelperProcess> {
    let prepare = || {
        affinity::pin(number)?;
        Ok(vec![1; HASHED])
    };
    HelperProcess::start(c"bench-worker", prepare, |bytes, _| Ok(xxh3_64(bytes)))
}

/// Lets all workers work at the same time, and waits for them.
fn work(workers: &mut [HelperProcess]) -> Result<()> {
    workers.iter_mut().try_for_each(|worker| worker.send(0))?;
    for worker in workers {
        worker.receive()?;
    }
    Ok(())
}
