// SPDX-License-Identifier: GPL-2.0-only

//! How long a scan holds up the processes that it looks at.

use crate::experiment::{timed, Experiment, Log};
use crate::flag::Flag;
use crate::holder::Holder;
use crate::latency::Latencies;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, Mapping, PAGE};
use crate::processors::{pin, unpin};
use anyhow::Result;
use nix::sys::mman::ProtFlags;
use std::time::{Duration, Instant};

const PAGES: usize = 40_000;
/// How many RESETs a round has: in most of them nothing but the RESET should hold anybody up.
const RESETS: u32 = 8;

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "stall::mmap",
    quick: true,
    memory: (PAGES * (PAGE + 128)) as u64,
    run: mmap,
}];

/// A process with many pages maps and unmaps another one without a rest. It has one processor, RESET the other.
fn mmap(log: &Log) -> Result<()> {
    let _module = memory_info::load_with_one_worker()?;
    let mut memory_info = MemoryInfo::open()?;
    let stop = Flag::new()?;
    let prepare = || {
        pin(1)?;
        Mapping::filled(Content::Different, PAGES, 0)
    };
    let mut mapper = Holder::start(c"bench-mapper", prepare, |_pages, _| {
        Ok(Latencies::of_calls_while(|_| !stop.is_up(), map_and_unmap)?.max())
    })?;
    pin(0)?;
    let mut usual = timed(|| memory_info.reset())?;
    for round in 0..log.rounds * RESETS {
        let without = longest(&mut mapper, &stop, || {
            wait(usual);
            Ok(())
        })?;
        let during = longest(&mut mapper, &stop, || {
            usual = timed(|| memory_info.reset())?;
            Ok(())
        })?;
        log.value(round, "longest without RESET", without, "ms")?;
        log.value(round, "longest during a RESET", during, "ms")?;
    }
    unpin()
}

/// The longest call of the mapper's, in ms, while `what` is done.
fn longest(mapper: &mut Holder, stop: &Flag, what: impl FnOnce() -> Result<()>) -> Result<f64> {
    stop.set(false);
    mapper.tell(0)?;
    // It has to come to work.
    wait(Duration::from_millis(1));
    what()?;
    stop.set(true);
    Ok(mapper.wait_for_answer()? as f64 / 1e6)
}

/// Stays on its processor.
fn wait(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn map_and_unmap() -> Result<()> {
    drop(Mapping::reserve(PAGE, ProtFlags::PROT_READ)?);
    Ok(())
}
