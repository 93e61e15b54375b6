// SPDX-License-Identifier: GPL-2.0-only

//! The demo, which `cargo xtask demo` shows and `cargo xtask matrix --quick` only judges.

use std::time::Duration;

use anyhow::Result;

use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;

/// Runs the demo in `guest` and passes each of its lines to `each_line`. Returns its exit status: 0 if each answer was
/// as expected.
pub fn run(guest: &Guest, each_line: impl FnMut(&str)) -> Result<i32> {
    let (machine, accelerator) = guest.machine(None)?;
    let limits = Limits {
        total: Duration::from_secs(180),
        silence: Duration::from_secs(60),
    }
    .times(guest.slowdown());
    machine.run(accelerator, &Mode::Demo, limits, each_line)
}
