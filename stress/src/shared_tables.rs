// SPDX-License-Identifier: GPL-2.0-only

//! Processes that share page tables of a hugetlb file, end the sharing, and put other pages into the tables.

use crate::shared_state::SharedState;
use fastrand::Rng;
use guest::shared_tables::{Foreign, SharedTables, Unsharing};
use nix::errno::Errno;
use std::time::Duration;

/// Number of tables that are shared.
const TABLES: usize = 32;

/// Shares and unshares until the run stops; returns the exit status.
pub fn run(state: SharedState, mut rng: Rng) -> i32 {
    let tables = match SharedTables::map(TABLES) {
        Ok(tables) => tables,
        // A kernel without hugetlb files does not share page tables.
        Err(error) if error.is::<Errno>() => {
            while !state.is_stopping() {
                std::thread::sleep(Duration::from_millis(50));
            }
            return 0;
        }
        Err(error) => {
            eprintln!("module-stress: {error:#}");
            return 1;
        }
    };
    while !state.is_stopping() {
        let unsharing = match rng.bool() {
            true => Unsharing::PunchHole,
            false => Unsharing::Discard,
        };
        let foreign = match rng.bool() {
            true => Foreign::Secret,
            false => Foreign::Anonymous,
        };
        let pause = || std::thread::sleep(Duration::from_micros(rng.u64(..3000)));
        // Fails when the system is short of memory or processes, which the shells need more, or without secret memory.
        let _ = tables.round(c"foreign-tables", unsharing, foreign, pause);
        std::thread::sleep(Duration::from_millis(rng.u64(..20)));
    }
    0
}
