// SPDX-License-Identifier: GPL-2.0-only

//! RESETs that many processes give at once.

use crate::expectation::SUCCESS;
use crate::failure_reports::ReportSender;
use crate::shared_state::{module_stayed_loaded, Counters, SharedState};
use crate::shells::native;
use fastrand::Rng;
use guest::child;
use nix::sys::wait::waitpid;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Number of RESETs that are given at once.
const RESETS: u64 = 16;

/// Gives concurrent RESETs again and again until the run stops; returns the exit status.
pub fn run(state: SharedState, slot: usize, reports: &ReportSender, mut rng: Rng) -> i32 {
    while !state.is_stopping() {
        state.add_writers(RESETS);
        let mut children = Vec::new();
        for _ in 0..RESETS {
            let child = child::start_with_status(|| {
                reset(state, state.counters(slot), reports);
                0
            });
            children.extend(child.ok());
        }
        for child in children {
            if waitpid(child, None).is_err() {
                return 1;
            }
        }
        std::thread::sleep(Duration::from_millis(rng.u64(200..2000)));
    }
    0
}

fn reset(state: SharedState, counters: &Counters, reports: &ReportSender) {
    let before = state.epoch();
    let reply = native::ask_through_one_descriptor(b"RESET\n");
    counters.commands.fetch_add(1, SeqCst);
    if !module_stayed_loaded(before, state.epoch()) {
        counters.unloaded.fetch_add(1, SeqCst);
        return;
    }
    counters.checked.fetch_add(1, SeqCst);
    if !matches!(&reply, Ok(text) if text == SUCCESS) {
        counters.mismatches.fetch_add(1, SeqCst);
        let answer = reply.map(|text| text.escape_ascii().to_string());
        reports.send(&format!(
            "one of {RESETS} concurrent RESETs:\n  expected: [SUCCESS]\n  actual:   {answer:?}"
        ));
    }
}
