// SPDX-License-Identifier: GPL-2.0-only

//! All experiments.

mod at_once;
mod contents;
mod cpus;
mod memory;
mod processes;
mod readers;
mod stall;
mod stores;

use crate::experiment::Bench;
use anyhow::Result;

/// Runs those that are wanted.
pub fn run(bench: &Bench) -> Result<()> {
    for group in [
        contents::EXPERIMENTS,
        processes::EXPERIMENTS,
        cpus::EXPERIMENTS,
        readers::EXPERIMENTS,
        at_once::EXPERIMENTS,
        stall::EXPERIMENTS,
        memory::EXPERIMENTS,
        stores::EXPERIMENTS,
    ] {
        bench.run(group)?;
    }
    Ok(())
}
