//! What a second processor is worth to RESET.

use super::contents::hold;
use crate::experiment::{timed, Experiment, Log};
use crate::holder::Holder;
use crate::memory_info::{self, set_workers, MemoryInfo};
use crate::pages::{Content, Mapping, PAGE};
use crate::read_once::ReadOnce;
use anyhow::{Context, Result};
use std::ffi::CString;

/// As many as `read_once` has to read in each of two threads.
const PAGES: usize = 120_000;
const SETS: usize = 64;
const MEMORY: u64 = (PAGES * (PAGE + 128)) as u64;

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
    if std::thread::available_parallelism()?.get() < 2 {
        return log.skip("there is one processor");
    }
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    read_once.pass()?;
    memory_info.reset()?;
    let has_workers = set_workers(0)?;
    if !has_workers {
        log.skip("the module has no parameter workers: two processors are not compared with one")?;
    }
    for round in 0..log.rounds {
        // What this machine has in all: the same pass on both at once takes longer where they share something.
        let one = timed(|| read_once.pass())?;
        let two = timed(|| {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| ReadOnce::open()?.pass());
                read_once.pass()?;
                other.join().ok().context("a thread panicked")?
            })
        })?;
        log.time(round, "a pass", one)?;
        log.time(round, "half of two passes at once", two / 2)?;
        if has_workers {
            set_workers(1)?;
            log.time(round, "one worker", timed(|| memory_info.reset())?)?;
            set_workers(0)?;
            log.time(round, "all workers", timed(|| memory_info.reset())?)?;
        }
    }
    Ok(())
}
