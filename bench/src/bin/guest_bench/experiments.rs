// SPDX-License-Identifier: GPL-2.0-only

//! The experiments in the order in which they are run.

mod concurrent_resets;
mod contents;
mod cpus;
mod memory;
mod processes;
mod readers;
mod stall;
mod stores;

use crate::experiment::Selection;
use anyhow::Result;

/// Runs the selected experiments.
pub fn run(selection: &Selection) -> Result<()> {
    for group in [
        contents::EXPERIMENTS,
        processes::EXPERIMENTS,
        cpus::EXPERIMENTS,
        readers::EXPERIMENTS,
        concurrent_resets::EXPERIMENTS,
        stall::EXPERIMENTS,
        memory::EXPERIMENTS,
        stores::EXPERIMENTS,
    ] {
        selection.run(group)?;
    }
    Ok(())
}
