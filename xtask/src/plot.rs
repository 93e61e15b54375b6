// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask plot`: samples an allocating application in a guest through vm_layout, and draws charts of the samples.

use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use tools::{Sample, SAMPLE};

use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;
use crate::host::cache;

/// Runs all experiments on `guest` and draws their charts into `directory`.
pub fn run(guest: &Guest, directory: &Path) -> Result<()> {
    let samples = samples(guest)?;
    cache::create_dir(directory)?;
    for path in bench::vm_layout::draw(directory, &samples)? {
        println!("{}", path.display());
    }
    Ok(())
}

/// Returns the samples that the guest took.
fn samples(guest: &Guest) -> Result<Vec<Sample>> {
    let (machine, accelerator) = guest.machine(None)?;
    let limits = Limits {
        total: Duration::from_secs(300),
        silence: Duration::from_secs(60),
    }
    .times(guest.slowdown());
    let mut samples = Vec::new();
    let verdict = machine.run(accelerator, &Mode::Plot, limits, |line| {
        match line.strip_prefix(SAMPLE) {
            Some(json) => samples.push(serde_json::from_str(json)),
            None => println!("{line}"),
        }
    })?;
    ensure!(verdict == 0, "sampling ended with status {verdict}");
    let samples: Vec<Sample> = samples
        .into_iter()
        .collect::<Result<_, _>>()
        .context("a line of the guest is not a sample of tools::Sample")?;
    ensure!(!samples.is_empty(), "the guest sent no samples");
    Ok(samples)
}
