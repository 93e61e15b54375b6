// SPDX-License-Identifier: GPL-2.0-only

//! A process whose children change all the time.

use crate::helper::worker_command;
use anyhow::{Context, Result};
use fastrand::Rng;
use std::time::{Duration, Instant};

/// Forks children that remap their memory, rename themselves, execute a program, exit or are killed. Exits with success
/// after `argument` seconds.
pub fn churn(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    let seed = Rng::new().get_seed();
    let mut rng = Rng::with_seed(seed);
    while Instant::now() < end {
        let mut program = worker_command("churned", "churn", Some("0"))?;
        guest::churn::round(&mut rng, &mut program).with_context(|| format!("with seed {seed}"))?;
    }
    std::process::exit(0)
}

/// Returns the moment in `argument` seconds.
pub(super) fn deadline(argument: &str) -> Result<Instant> {
    let seconds = argument
        .parse()
        .context("this shape takes a number of seconds")?;
    Ok(Instant::now() + Duration::from_secs(seconds))
}
