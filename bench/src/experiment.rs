// SPDX-License-Identifier: GPL-2.0-only

//! What experiments have in common: which are wanted, and where their results go.

use anyhow::Result;
use bench::{available_memory, Message, Sample, MESSAGE};
use std::time::{Duration, Instant};

/// Bytes that the kernel, the bench and its helpers need besides what an experiment maps.
const BESIDES: u64 = 256 << 20;

/// One run.
pub struct Bench {
    filters: Vec<String>,
    quick: bool,
    rounds: u32,
}

/// Something to measure.
pub struct Experiment {
    /// What it is called.
    pub name: &'static str,
    /// Whether it is one of the few of a quick run.
    pub quick: bool,
    /// Bytes of memory that it maps.
    pub memory: u64,
    /// Does it.
    pub run: fn(&Log) -> Result<()>,
}

/// Takes the results of one experiment.
pub struct Log<'a> {
    experiment: &'a str,
    /// How often to measure.
    pub rounds: u32,
    /// Whether it should be over soon.
    pub quick: bool,
}

impl Bench {
    /// The experiments whose names contain one of `filters`, or all; of those the quick ones only if `quick`.
    pub fn new(filters: Vec<String>, quick: bool, rounds: u32) -> Self {
        Self {
            filters,
            quick,
            rounds,
        }
    }

    /// Runs those of `experiments` that are wanted. One that fails does not keep the others from being run.
    pub fn run(&self, experiments: &[Experiment]) -> Result<()> {
        for experiment in experiments.iter().filter(|one| self.wants(one)) {
            let log = Log {
                experiment: experiment.name,
                rounds: self.rounds,
                quick: self.quick,
            };
            let available = available_memory()?;
            if available < experiment.memory + BESIDES {
                log.skip(format!(
                    "it needs {} MiB of memory, and {} MiB are available",
                    (experiment.memory + BESIDES) >> 20,
                    available >> 20
                ))?;
                continue;
            }
            let start = Instant::now();
            if let Err(error) = (experiment.run)(&log) {
                log.fail(format!("{error:#}"))?;
            }
            let seconds = start.elapsed().as_secs_f64();
            println!("measured {} in {seconds:.1} s", experiment.name);
        }
        Ok(())
    }

    fn wants(&self, experiment: &Experiment) -> bool {
        let named = self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| experiment.name.contains(filter));
        named && (experiment.quick || !self.quick)
    }
}

impl Log<'_> {
    /// Hands on a value.
    pub fn value(&self, round: u32, measure: &str, value: f64, unit: &str) -> Result<()> {
        say(&Message::Sample(Sample {
            experiment: self.experiment.to_owned(),
            measure: measure.to_owned(),
            round,
            value,
            unit: unit.to_owned(),
        }))
    }

    /// Hands on a time in nanoseconds.
    pub fn time(&self, round: u32, measure: &str, time: Duration) -> Result<()> {
        self.value(round, measure, time.as_nanos() as f64, "ns")
    }

    /// Hands on a time for each of `count` things.
    pub fn time_each(&self, round: u32, measure: &str, time: Duration, count: u64) -> Result<()> {
        let each = time.as_nanos() as f64 / count.max(1) as f64;
        self.value(round, measure, each, "ns each")
    }

    /// Says why something is not measured.
    pub fn skip(&self, reason: impl Into<String>) -> Result<()> {
        say(&Message::Skipped {
            experiment: self.experiment.to_owned(),
            reason: reason.into(),
        })
    }

    /// Says why something could not be measured, which should have been.
    fn fail(&self, reason: impl Into<String>) -> Result<()> {
        say(&Message::Failed {
            experiment: self.experiment.to_owned(),
            reason: reason.into(),
        })
    }
}

fn say(message: &Message) -> Result<()> {
    println!("{MESSAGE}{}", serde_json::to_string(message)?);
    Ok(())
}

/// How long `what` takes.
pub fn timed(what: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    what()?;
    Ok(start.elapsed())
}
