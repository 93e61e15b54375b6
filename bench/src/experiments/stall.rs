//! How long a scan holds up the processes that it looks at.

use crate::experiment::{Experiment, Log};
use crate::holder::Holder;
use crate::latency::Latencies;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, Mapping, PAGE};
use anyhow::Result;
use nix::sys::mman::ProtFlags;
use std::time::{Duration, Instant};

const PAGES: usize = 40_000;
const TIME: Duration = Duration::from_millis(400);

/// What the process is asked: to map and unmap for [`TIME`], then for what it saw.
const RUN: u8 = b'r';
const MEDIAN: u8 = b'm';
const NEARLY_ALL: u8 = b'n';
const LONGEST: u8 = b'l';

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "stall::mmap",
    quick: true,
    memory: (PAGES * (PAGE + 128)) as u64,
    run: mmap,
}];

struct Mapper {
    _pages: Mapping,
    last: Option<Latencies>,
}

fn mmap(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let prepare = || {
        Ok(Mapper {
            _pages: Mapping::filled(Content::Different, PAGES, 0)?,
            last: None,
        })
    };
    let mut mapper = Holder::start(c"bench-mapper", prepare, |mapper, command| {
        if command == RUN {
            mapper.last = Some(Latencies::of_calls(TIME, map_and_unmap)?);
        }
        Ok(mapper.last.as_ref().map_or(0, |latencies| match command {
            MEDIAN => latencies.quantile(0.5),
            NEARLY_ALL => latencies.quantile(0.999),
            _ => latencies.max(),
        }))
    })?;
    for round in 0..log.rounds {
        mapper.ask(RUN)?;
        log_last(log, round, "alone", &mut mapper)?;
        mapper.tell(RUN)?;
        let end = Instant::now() + TIME;
        while Instant::now() < end {
            memory_info.reset()?;
        }
        mapper.wait_for_answer()?;
        log_last(log, round, "during RESETs", &mut mapper)?;
    }
    Ok(())
}

fn log_last(log: &Log, round: u32, when: &str, mapper: &mut Holder) -> Result<()> {
    for (name, question) in [("p50", MEDIAN), ("p99.9", NEARLY_ALL), ("max", LONGEST)] {
        let value = mapper.ask(question)? as f64 / 1e6;
        log.value(round, &format!("mmap {when} {name}"), value, "ms")?;
    }
    Ok(())
}

fn map_and_unmap() -> Result<()> {
    drop(Mapping::reserve(PAGE, ProtFlags::PROT_READ)?);
    Ok(())
}
