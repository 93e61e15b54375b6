// SPDX-License-Identifier: GPL-2.0-only

//! Experiments: their description, their selection, and the output of their results.

use anyhow::Result;
use bench::{available_memory, Message, Sample, MESSAGE};
use std::time::{Duration, Instant};

/// Memory in bytes that the kernel, the bench and its helper processes need in addition to what an experiment maps.
const OVERHEAD: u64 = 256 << 20;

/// The experiments of one run.
pub struct Selection {
    filters: Vec<String>,
    quick: bool,
    rounds: u32,
}

/// An experiment: something to measure.
pub struct Experiment {
    /// Name, which begins with the group of the experiment.
    pub name: &'static str,
    /// True if a quick run includes it.
    pub quick: bool,
    /// Memory in bytes that it maps.
    pub memory: u64,
    /// Measures everything, and passes on the results.
    pub run: fn(&Results) -> Result<()>,
}

/// Prints the results of one experiment.
pub struct Results<'a> {
    experiment: &'a str,
    /// Number of measurements of each measure.
    pub rounds: u32,
    /// True if the experiment should take little time.
    pub quick: bool,
}

impl Selection {
    /// Selects the experiments whose names contain one of `filters`, or all without filters; only the quick ones of
    /// those if `quick`.
    pub fn new(filters: Vec<String>, quick: bool, rounds: u32) -> Self {
        Self {
            filters,
            quick,
            rounds,
        }
    }

    /// Runs the selected ones of `experiments`. Continues with the next one if an experiment fails.
    pub fn run(&self, experiments: &[Experiment]) -> Result<()> {
        for experiment in experiments.iter().filter(|one| self.includes(one)) {
            let results = Results {
                experiment: experiment.name,
                rounds: self.rounds,
                quick: self.quick,
            };
            let available = available_memory()?;
            if available < experiment.memory + OVERHEAD {
                results.skip(format!(
                    "it needs {} MiB of memory, and {} MiB are available",
                    (experiment.memory + OVERHEAD) >> 20,
                    available >> 20
                ))?;
                continue;
            }
            let start = Instant::now();
            if let Err(error) = (experiment.run)(&results) {
                results.fail(format!("{error:#}"))?;
            }
            let seconds = start.elapsed().as_secs_f64();
            println!("measured {} in {seconds:.1} s", experiment.name);
        }
        Ok(())
    }

    fn includes(&self, experiment: &Experiment) -> bool {
        let named = self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| experiment.name.contains(filter));
        named && (experiment.quick || !self.quick)
    }
}

impl Results<'_> {
    /// Prints a value of a measure in its unit.
    pub fn value(&self, round: u32, measure: &str, value: f64, unit: &str) -> Result<()> {
        print(&Message::Sample(Sample {
            experiment: self.experiment.to_owned(),
            measure: measure.to_owned(),
            round,
            value,
            unit: unit.to_owned(),
        }))
    }

    /// Prints a time in nanoseconds.
    pub fn time(&self, round: u32, measure: &str, time: Duration) -> Result<()> {
        self.value(round, measure, time.as_nanos() as f64, "ns")
    }

    /// Prints a time in nanoseconds per item, of `count` items.
    pub fn time_each(&self, round: u32, measure: &str, time: Duration, count: u64) -> Result<()> {
        let each = time.as_nanos() as f64 / count.max(1) as f64;
        self.value(round, measure, each, "ns each")
    }

    /// Prints the reason why something is not measured.
    pub fn skip(&self, reason: impl Into<String>) -> Result<()> {
        print(&Message::Skipped {
            experiment: self.experiment.to_owned(),
            reason: reason.into(),
        })
    }

    /// Prints the error of an experiment.
    fn fail(&self, reason: impl Into<String>) -> Result<()> {
        print(&Message::Failed {
            experiment: self.experiment.to_owned(),
            reason: reason.into(),
        })
    }
}

fn print(message: &Message) -> Result<()> {
    println!("{MESSAGE}{}", serde_json::to_string(message)?);
    Ok(())
}

/// Returns the time that `action` takes.
pub fn timed(action: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    action()?;
    Ok(start.elapsed())
}
