// SPDX-License-Identifier: GPL-2.0-only

//! Latency of FILTER and ALL, alone and during RESETs.

use super::contents::hold_pages;
use crate::cloned_processes::ClonedProcesses;
use crate::experiment::{timed, Experiment, Results};
use crate::latency::{while_repeating, Latencies};
use crate::memory_info::{self, MemoryInfo};
use crate::pages::Content;
use crate::system_memory;
use anyhow::{ensure, Context, Result};
use guest::mapping::PAGE;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Duration;

const PAGES: usize = 40_000;
const MEMORY: u64 = (PAGES * (PAGE + 128)) as u64;
const TIME: Duration = Duration::from_millis(400);
const READERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Command for a set that always exists: that of the bench itself.
const FILTER: &str = "FILTER|guest-bench";
/// File with the same text as the answer, which is read for comparison.
const COPY: &str = "/tmp/bench-text";

/// Experiments of this file.
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

/// Returns a function that opens the file and returns a call that writes `command` and reads the answer.
fn caller(command: &'static str) -> impl Fn() -> Result<Box<dyn FnMut() -> Result<()>>> {
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

/// One reader alone, beside a busy loop, and beside RESETs on another CPU.
fn during_reset(results: &Results) -> Result<()> {
    let _module = memory_info::load_with_one_worker()?;
    let processes = hold_pages(Content::Different, PAGES)?;
    MemoryInfo::open()?.reset()?;
    let rollup = format!("/proc/{}/smaps_rollup", processes[0].pid());
    for round in 0..results.rounds {
        for (name, command) in [("FILTER", FILTER), ("ALL", "ALL")] {
            let ask = caller(command);
            let measure = || Latencies::of_processes(1, TIME, &ask);
            let alone = measure()?;
            // Any work on the other CPU may cost something: on a machine with other work, a guest with two busy CPUs
            // has to wait more often than a guest with one.
            let busy = while_repeating(|| Ok(()), stay_busy, measure)?;
            let during = while_repeating(MemoryInfo::open, MemoryInfo::reset, measure)?;
            alone.print(results, round, &format!("{name} alone"))?;
            busy.print(results, round, &format!("{name} beside a loop"))?;
            during.print(results, round, &format!("{name} during RESETs"))?;
        }
        let rollups = Latencies::of_calls(TIME / 4, || {
            fs::read(&rollup).with_context(|| format!("cannot read {rollup}"))?;
            Ok(())
        })?;
        rollups.print(results, round, "smaps_rollup")?;
    }
    Ok(())
}

fn stay_busy(_: &mut ()) -> Result<()> {
    for number in 0..100_000 {
        black_box(number);
    }
    Ok(())
}

/// Many readers at once, alone and during RESETs.
fn many(results: &Results) -> Result<()> {
    let _module = memory_info::load()?;
    let _holders = hold_pages(Content::Different, PAGES)?;
    MemoryInfo::open()?.reset()?;
    for round in 0..results.rounds.min(3) {
        for readers in READERS {
            for (name, command) in [("FILTER", FILTER), ("ALL", "ALL")] {
                let ask = caller(command);
                let measure = || Latencies::of_processes(readers, TIME, &ask);
                let alone = measure()?;
                let during = while_repeating(MemoryInfo::open, MemoryInfo::reset, measure)?;
                for (latencies, when) in [(alone, ""), (during, " during RESETs")] {
                    let measure = format!("{name} of {readers}{when}");
                    latencies.print(results, round, &measure)?;
                    let speed = latencies.count() as f64 / TIME.as_secs_f64();
                    results.value(round, &format!("{measure} answers"), speed, "a second")?;
                }
            }
        }
    }
    Ok(())
}

/// FILTER and ALL, depending on the number of sets.
fn sets(results: &Results) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let many = if results.quick { 1000 } else { 10_000 };
    for round in 0..results.rounds {
        // No further sets, a tenth of many, and many.
        for (count, name) in [(0, "few sets"), (many / 10, "a tenth"), (many, "many sets")] {
            let processes = (count > 0)
                .then(|| ClonedProcesses::start(count, |index| format!("bench-{index}")))
                .transpose()?;
            memory_info.reset()?;
            system_memory::settle()?;
            let filter = Latencies::of_processes(1, TIME / 2, caller(FILTER))?;
            filter.print(results, round, &format!("FILTER, {name}"))?;
            if count > 0 {
                all(results, round, name, &mut memory_info)?;
            }
            drop(processes);
        }
    }
    Ok(())
}

/// ALL, and a read of the same text from a file in memory.
fn all(results: &Results, round: u32, sets: &str, memory_info: &mut MemoryInfo) -> Result<()> {
    let mut answer = Vec::with_capacity(2 << 20);
    memory_info.ask("ALL", &mut answer)?;
    fs::write(COPY, &answer).with_context(|| format!("cannot write {COPY}"))?;
    let copy = fs::File::open(COPY)?;
    let bytes = answer.len() as u64;
    let mut buffer = vec![0; answer.len()];
    let shortest = |times: Vec<Duration>| times.into_iter().min().context("at least one time");
    let mut copies = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..10 {
        copies.push(timed(|| Ok(copy.read_exact_at(&mut buffer, 0)?))?);
        answers.push(timed(|| memory_info.ask("ALL", &mut answer))?);
    }
    ensure!(buffer == answer, "two answers to ALL differ");
    let measure = |what: &str| format!("{what} a byte, {sets}");
    results.time_each(round, &measure("copy"), shortest(copies)?, bytes)?;
    results.time_each(round, &measure("ALL"), shortest(answers)?, bytes)
}
