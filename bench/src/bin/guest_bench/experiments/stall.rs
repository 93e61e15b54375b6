// SPDX-License-Identifier: GPL-2.0-only

//! Longest time that a RESET blocks mmap(2) in a scanned process.

use crate::affinity::{pin, unpin};
use crate::experiment::{timed, Experiment, Results};
use crate::helper_process::HelperProcess;
use crate::latency::Latencies;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{map_filled, Content};
use anyhow::Result;
use guest::mapping::{Mapping, PAGE, RO};
use guest::shared::Flag;
use std::time::{Duration, Instant};

const PAGES: usize = 40_000;
/// Number of RESETs in a round. In most of them, nothing else should delay the process.
const RESETS: u32 = 8;

/// Experiments of this file.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "stall::mmap",
    quick: true,
    memory: (PAGES * (PAGE + 128)) as u64,
    run: mmap,
}];

/// A process with many pages maps and unmaps another page without pause. It runs on one CPU, and RESET on the other.
fn mmap(results: &Results) -> Result<()> {
    let _module = memory_info::load_with_one_worker()?;
    let mut memory_info = MemoryInfo::open()?;
    let stop = Flag::new()?;
    let prepare = || {
        pin(1)?;
        map_filled(Content::Different, PAGES, 0)
    };
    let mut mapper = HelperProcess::start(c"bench-mapper", prepare, |_pages, _| {
        Ok(Latencies::of_calls_while(|_| !stop.is_set(), map_and_unmap)?.max())
    })?;
    pin(0)?;
    let mut usual = timed(|| memory_info.reset())?;
    for round in 0..results.rounds * RESETS {
        let without = longest(&mut mapper, &stop, || {
            wait(usual);
            Ok(())
        })?;
        let during = longest(&mut mapper, &stop, || {
            usual = timed(|| memory_info.reset())?;
            Ok(())
        })?;
        results.value(round, "longest without RESET", without, "ms")?;
        results.value(round, "longest during a RESET", during, "ms")?;
    }
    unpin()
}

/// Runs `action`, and returns the longest call of the mapper during it in milliseconds.
fn longest(
    mapper: &mut HelperProcess,
    stop: &Flag,
    action: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    stop.set(false);
    mapper.send(0)?;
    // Until the mapper is at work.
    wait(Duration::from_millis(1));
    action()?;
    stop.set(true);
    Ok(mapper.receive()? as f64 / 1e6)
}

/// Waits without giving up the CPU.
fn wait(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn map_and_unmap() -> Result<()> {
    drop(Mapping::anonymous(1, RO)?);
    Ok(())
}
