// SPDX-License-Identifier: GPL-2.0-only

//! A client library of moddb, and the samples that `vm-layout-sample` prints.

pub mod moddb;

use serde::{Deserialize, Serialize};

/// Prefix of an output line that contains a [`Sample`] as JSON.
pub const SAMPLE: &str = "sample ";

/// Measurements of a process at one step of its schedule. Sizes are in bytes.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Sample {
    /// Name of the experiment: what the process does.
    pub experiment: String,
    /// Name of the series: how the process does it.
    pub series: String,
    /// Name of the phase, such as `allocate` or `free`.
    pub phase: String,
    /// Progress in the unit of the experiment: bytes, calls, pages or seconds.
    pub x: f64,
    /// Size of the heap in bytes.
    pub heap: u64,
    /// Size of the stack's VMA in bytes.
    pub stack: u64,
    /// Resident set size in pages.
    pub rss_pages: u64,
    /// Number of VMAs of the process.
    pub areas: u64,
    /// Number of used entries in the user half of the top-level page table.
    pub top_level: u64,
}
