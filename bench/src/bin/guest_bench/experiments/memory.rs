// SPDX-License-Identifier: GPL-2.0-only

//! Memory that RESET needs during the scan, and memory that it keeps afterwards.

use super::contents::hold_pages;
use crate::cloned_processes::ClonedProcesses;
use crate::experiment::{Experiment, Results};
use crate::memory_info::{self, MemoryInfo};
use crate::pages::Content;
use crate::read_once::ReadOnce;
use crate::system_memory;
use anyhow::Result;
use bench::NOISE;
use guest::mapping::PAGE;

const PAGES: usize = 250_000;
const PROCESSES: usize = 10_000;

/// Experiments of this file.
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

fn while_scanning(results: &Results) -> Result<()> {
    let _module = memory_info::load()?;
    let _pages = hold_pages(Content::Different, PAGES)?;
    let mut memory_info = MemoryInfo::open()?;
    let pages = {
        let mut read_once = ReadOnce::load()?;
        read_once.pass()?;
        read_once.pages()?
    };
    memory_info.reset()?;
    for round in 0..results.rounds {
        system_memory::settle()?;
        let before = system_memory::free()?;
        let least = system_memory::least_free_during(|| memory_info.reset())?;
        let taken = before.saturating_sub(least) as f64;
        results.value(round, "peak a page", taken / pages as f64, "bytes")?;
    }
    Ok(())
}

fn kept(results: &Results) -> Result<()> {
    kept_by_module()?;
    for round in 0..results.rounds.min(3) {
        let few = kept_by_module()?;
        let sets = {
            let _processes = ClonedProcesses::start(PROCESSES, |index| format!("bench-{index}"))?;
            kept_by_module()?
        };
        let pids = {
            let _processes = ClonedProcesses::start(PROCESSES, |_| "bench-cloned".to_owned())?;
            kept_by_module()?
        };
        // Without other processes, both measurements should be the same.
        let again = kept_by_module()?;
        for (measure, bytes) in [
            ("a set of one process", sets - few),
            ("a pid", pids - few),
            (NOISE, (again - few).abs()),
        ] {
            results.value(round, measure, bytes / PROCESSES as f64, "bytes")?;
        }
    }
    Ok(())
}

/// Returns the bytes that the module and its data occupy after a RESET: the maximum of a few loads.
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
