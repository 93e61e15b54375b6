// SPDX-License-Identifier: GPL-2.0-only

//! The messages of `guest-bench`, and the reports that the host makes of them.
//!
//! `guest-bench` measures in the guest and prints [`Message`]s. The host collects them as [`Samples`]. A [`Report`] computes
//! figures from the samples, compares them with their targets, and writes tables and charts.

mod charts;
mod figures;
mod plots;
mod report;
mod samples;
mod targets;
pub mod vm_layout;

pub use figures::NOISE;
pub use report::{Conditions, Report};
pub use samples::Samples;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Prefix of an output line that contains a [`Message`] as JSON.
pub const MESSAGE: &str = "bench ";

/// A message of the guest.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub enum Message {
    /// A measurement.
    Sample(Sample),
    /// An experiment, or a part of one, is not possible on this machine or kernel.
    Skipped {
        /// Name of the experiment.
        experiment: String,
        /// Reason or error.
        reason: String,
    },
    /// An experiment failed.
    Failed {
        /// Name of the experiment.
        experiment: String,
        /// Reason or error.
        reason: String,
    },
}

/// One value of one measure, in one round of an experiment. The measures of a round are taken immediately after each
/// other, so that they can be compared whatever else the machine does.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Sample {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the measure: what was measured, and of which program.
    pub measure: String,
    /// Number of the round.
    pub round: u32,
    /// Measured value.
    pub value: f64,
    /// Unit of the value.
    pub unit: String,
}

/// Returns the number of bytes that programs of this machine can allocate without swapping.
///
/// # Errors
///
/// Fails if `/proc/meminfo` cannot be read or has no `MemAvailable`.
pub fn available_memory() -> Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("/proc/meminfo has no MemAvailable")?;
    Ok(kib.parse::<u64>()? << 10)
}
