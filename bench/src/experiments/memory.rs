// SPDX-License-Identifier: GPL-2.0-only

//! What memory RESET takes while it scans, and what it keeps.

use super::contents::hold;
use crate::crowd::Crowd;
use crate::experiment::{Experiment, Log};
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, PAGE};
use crate::read_once::ReadOnce;
use crate::system_memory;
use anyhow::Result;

const PAGES: usize = 250_000;
const PROCESSES: usize = 10_000;

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "memory::while-scanning",
        quick: false,
        memory: (PAGES * (PAGE + 128)) as u64,
        run: while_scanning,
    },
    Experiment {
        name: "memory::kept",
        quick: false,
        memory: 1 << 30,
        run: kept,
    },
];

fn while_scanning(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let _pages = hold(Content::Different, PAGES)?;
    let mut memory_info = MemoryInfo::open()?;
    let pages = {
        let mut read_once = ReadOnce::load()?;
        read_once.pass()?;
        read_once.pages()?
    };
    memory_info.reset()?;
    for round in 0..log.rounds {
        system_memory::settle()?;
        let before = system_memory::free()?;
        let least = system_memory::least_free_during(|| memory_info.reset())?;
        let taken = before.saturating_sub(least) as f64;
        log.value(round, "peak a page", taken / pages as f64, "bytes")?;
    }
    Ok(())
}

fn kept(log: &Log) -> Result<()> {
    kept_by_module()?;
    for round in 0..log.rounds.min(3) {
        let few = kept_by_module()?;
        let sets = {
            let _crowd = Crowd::start(PROCESSES, |index| format!("bench-{index}"))?;
            kept_by_module()?
        };
        let pids = {
            let _crowd = Crowd::start(PROCESSES, |_| "bench-crowd".to_owned())?;
            kept_by_module()?
        };
        for (measure, all) in [("a set of one process", sets), ("a pid", pids)] {
            log.value(round, measure, (all - few) / PROCESSES as f64, "bytes")?;
        }
    }
    Ok(())
}

/// Bytes that the module and its data have, after a RESET: the most of a few loads.
fn kept_by_module() -> Result<f64> {
    let mut most = f64::MIN;
    for _ in 0..2 {
        system_memory::settle()?;
        let before = system_memory::free()? as f64;
        let _module = memory_info::load()?;
        MemoryInfo::open()?.reset()?;
        system_memory::settle()?;
        most = most.max(before - system_memory::free()? as f64);
    }
    Ok(most)
}
