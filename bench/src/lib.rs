// SPDX-License-Identifier: GPL-2.0-only

//! What `guest-bench` says, for who makes tables of it, and what both sides ask of their machine.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How a line begins that holds a [`Message`] as JSON.
pub const MESSAGE: &str = "bench ";

/// One line of the guest's.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub enum Message {
    /// A measurement.
    Sample(Sample),
    /// What could not be measured.
    Skipped {
        /// What it is called.
        experiment: String,
        /// Why.
        reason: String,
    },
    /// What went wrong.
    Failed {
        /// What it is called.
        experiment: String,
        /// Why.
        reason: String,
    },
}

/// One value of one measure, in one round of an experiment. The measures of a round were taken one right after the
/// other, so that they are comparable whatever else the machine did.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Sample {
    /// What was done.
    pub experiment: String,
    /// What was measured, and of whom.
    pub measure: String,
    /// In which round.
    pub round: u32,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
}

/// Bytes of memory that this machine could give to whoever asks now.
///
/// # Errors
///
/// `/proc/meminfo` cannot be read, or does not say.
pub fn available_memory() -> Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("/proc/meminfo has no MemAvailable")?;
    Ok(kib.parse::<u64>()? << 10)
}
