//! All experiments.

mod contents;

use crate::experiment::Bench;
use crate::memory_info::MemoryInfo;
use anyhow::Result;

/// Runs those that are wanted.
pub fn run(bench: &Bench) -> Result<()> {
    let _module = MemoryInfo::load()?;
    bench.run(contents::EXPERIMENTS)
}
