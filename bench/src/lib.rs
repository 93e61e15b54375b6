//! What `guest-bench` says, for who makes tables of it.

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
