// SPDX-License-Identifier: GPL-2.0-only

//! How long those wait who read what was found.

use super::contents::hold;
use crate::crowd::Crowd;
use crate::experiment::{timed, Experiment, Log};
use crate::latency::{while_repeating, Latencies};
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, PAGE};
use crate::system_memory;
use anyhow::{ensure, Context, Result};
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Duration;

const PAGES: usize = 40_000;
const MEMORY: u64 = (PAGES * (PAGE + 128)) as u64;
const TIME: Duration = Duration::from_millis(400);
const READERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// A set that is always there: the bench's own.
const FILTER: &str = "FILTER|guest-bench";
/// Where text lies that is read for comparison.
const COPY: &str = "/tmp/bench-text";

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "readers::during-reset",
        quick: true,
        memory: MEMORY,
        run: during_reset,
    },
    Experiment {
        name: "readers::many",
        quick: false,
        memory: MEMORY,
        run: many,
    },
    Experiment {
        name: "readers::sets",
        quick: true,
        memory: 1 << 29,
        run: sets,
    },
];

/// Makes calls of `command`, each write and read through a file of its own.
fn asker(command: &'static str) -> impl Fn() -> Result<Box<dyn FnMut() -> Result<()>>> {
    move || {
        let mut file = MemoryInfo::open()?;
        let mut answer = Vec::with_capacity(1 << 16);
        Ok(Box::new(move || {
            file.ask(command, &mut answer)?;
            ensure!(!answer.is_empty(), "{command}: the answer is empty");
            Ok(())
        }))
    }
}

/// One reader alone, and while somebody else scans with one processor.
fn during_reset(log: &Log) -> Result<()> {
    let _module = memory_info::load_with_one_worker()?;
    let holders = hold(Content::Different, PAGES)?;
    MemoryInfo::open()?.reset()?;
    let rollup = format!("/proc/{}/smaps_rollup", holders[0].pid());
    for round in 0..log.rounds {
        for (name, command) in [("FILTER", FILTER), ("ALL", "ALL")] {
            let ask = asker(command);
            let measure = || Latencies::of_processes(1, TIME, &ask);
            let alone = measure()?;
            // Work elsewhere that has nothing to do with the module may cost something too: on a machine that has
            // other work, a guest with two busy processors has to wait more often than one with a single one.
            let busy = while_repeating(|| Ok(()), stay_busy, measure)?;
            let during = while_repeating(MemoryInfo::open, MemoryInfo::reset, measure)?;
            alone.log(log, round, &format!("{name} alone"))?;
            busy.log(log, round, &format!("{name} beside a loop"))?;
            during.log(log, round, &format!("{name} during RESETs"))?;
        }
        let rollups = Latencies::of_calls(TIME / 4, || {
            fs::read(&rollup).with_context(|| format!("cannot read {rollup}"))?;
            Ok(())
        })?;
        rollups.log(log, round, "smaps_rollup")?;
    }
    Ok(())
}

fn stay_busy(_: &mut ()) -> Result<()> {
    for number in 0..100_000 {
        black_box(number);
    }
    Ok(())
}

/// Many readers at once, alone and while somebody else scans.
fn many(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let _holders = hold(Content::Different, PAGES)?;
    MemoryInfo::open()?.reset()?;
    for round in 0..log.rounds.min(3) {
        for readers in READERS {
            for (name, command) in [("FILTER", FILTER), ("ALL", "ALL")] {
                let ask = asker(command);
                let measure = || Latencies::of_processes(readers, TIME, &ask);
                let alone = measure()?;
                let during = while_repeating(MemoryInfo::open, MemoryInfo::reset, measure)?;
                for (latencies, when) in [(alone, ""), (during, " during RESETs")] {
                    let measure = format!("{name} of {readers}{when}");
                    latencies.log(log, round, &measure)?;
                    let speed = latencies.count() as f64 / TIME.as_secs_f64();
                    log.value(round, &format!("{measure} answers"), speed, "a second")?;
                }
            }
        }
    }
    Ok(())
}

/// FILTER and ALL by how many sets there are.
fn sets(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let many = if log.quick { 1000 } else { 10_000 };
    for round in 0..log.rounds {
        // Two crowds of many and a tenth of it, and nobody.
        for (count, name) in [(0, "few sets"), (many / 10, "a tenth"), (many, "many sets")] {
            let crowd = (count > 0)
                .then(|| Crowd::start(count, |index| format!("bench-{index}")))
                .transpose()?;
            memory_info.reset()?;
            system_memory::settle()?;
            let filter = Latencies::of_processes(1, TIME / 2, asker(FILTER))?;
            filter.log(log, round, &format!("FILTER, {name}"))?;
            if count > 0 {
                all(log, round, name, &mut memory_info)?;
            }
            drop(crowd);
        }
    }
    Ok(())
}

/// ALL beside a read of the same text from a file in memory.
fn all(log: &Log, round: u32, sets: &str, memory_info: &mut MemoryInfo) -> Result<()> {
    let mut answer = Vec::with_capacity(2 << 20);
    memory_info.ask("ALL", &mut answer)?;
    fs::write(COPY, &answer).with_context(|| format!("cannot write {COPY}"))?;
    let copy = fs::File::open(COPY)?;
    let bytes = answer.len() as u64;
    let mut buffer = vec![0; answer.len()];
    let shortest = |times: Vec<Duration>| times.into_iter().min().context("some times");
    let mut copies = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..10 {
        copies.push(timed(|| Ok(copy.read_exact_at(&mut buffer, 0)?))?);
        answers.push(timed(|| memory_info.ask("ALL", &mut answer))?);
    }
    ensure!(buffer == answer, "ALL's answers differ");
    let measure = |what: &str| format!("{what} a byte, {sets}");
    log.time_each(round, &measure("copy"), shortest(copies)?, bytes)?;
    log.time_each(round, &measure("ALL"), shortest(answers)?, bytes)
}
