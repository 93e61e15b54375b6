// SPDX-License-Identifier: GPL-2.0-only

//! Churning processes of a run.

use crate::options::EXIT_AT_ONCE;
use crate::shared_state::SharedState;
use fastrand::Rng;
use std::process::Command;
use std::time::Duration;

/// Churns until the run stops; returns the exit status.
pub fn run(state: SharedState, mut rng: Rng) -> i32 {
    while !state.is_stopping() {
        let mut program = Command::new("/proc/self/exe");
        // Fails when the system is short of memory or processes, which the shells need more.
        let _ = guest::churn::round(&mut rng, program.arg(EXIT_AT_ONCE));
        // Leaves processor time to the shells.
        std::thread::sleep(Duration::from_millis(rng.u64(..20)));
    }
    0
}
