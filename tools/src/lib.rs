// SPDX-License-Identifier: GPL-2.0-only

//! What the programs share with others: moddb's protocol, and what `vm-layout-sample` measures.

pub mod moddb;

use serde::{Deserialize, Serialize};

/// How a line begins that holds a [`Sample`] as JSON.
pub const SAMPLE: &str = "sample ";

/// A process at one step of its schedule. Sizes are in bytes.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Sample {
    /// What the process does: the experiment.
    pub experiment: String,
    /// In which way.
    pub series: String,
    /// Which part of the schedule this is.
    pub phase: String,
    /// How far it is, in the experiment's own measure.
    pub x: f64,
    /// Size of the heap.
    pub heap: u64,
    /// Size of the stack's area.
    pub stack: u64,
    /// Frames in use.
    pub rss_pages: u64,
    /// Number of areas.
    pub areas: u64,
    /// Used entries of the top-level page table that are the process's own, not the kernel's.
    pub top_level: u64,
}
