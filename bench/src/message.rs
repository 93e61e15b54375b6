// SPDX-License-Identifier: GPL-2.0-only

//! Messages of `guest-bench` to the host, each on a line of its output.

use serde::{Deserialize, Serialize};

/// Prefix of an output line that contains a [`Message`] as JSON.
pub const MESSAGE: &str = "bench ";

/// A message of the guest.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub enum Message {
    /// A value was measured.
    Sample(Sample),
    /// An experiment, or a part of one, is not possible on this machine or kernel.
    Skipped {
        /// Name of the experiment.
        experiment: String,
        /// Reason why it is not possible, or error.
        reason: String,
    },
    /// An experiment ended with an error.
    Failed {
        /// Name of the experiment.
        experiment: String,
        /// Reason why it is not possible, or error.
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
    /// Measured value, in the unit below.
    pub value: f64,
    /// Unit of the value.
    pub unit: String,
}
