// SPDX-License-Identifier: GPL-2.0-only

//! Short-lived network namespaces, each with a store that only its maker uses.

use super::check::{check, Verdict};
use super::own_keys::OwnKeys;
use crate::failure_reports::ReportSender;
use crate::shared_state::{module_stayed_loaded, SharedState};
use fastrand::Rng;
use guest::child;
use nix::sched::{unshare, CloneFlags};
use nix::sys::wait::WaitStatus;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tools::moddb::Client;

/// Number of operations in one namespace.
const STEPS: u32 = 60;

/// Makes namespaces until the run stops; returns the exit status.
pub fn run(state: SharedState, slot: usize, reports: &ReportSender, mut rng: Rng) -> i32 {
    while !state.is_stopping() {
        state.wait_for_module(Duration::from_millis(20));
        let mut rng_of_child = rng.fork();
        let child = child::start(|| {
            use_one(state, slot, reports, &mut rng_of_child);
            Ok(())
        });
        if !matches!(child.and_then(child::wait), Ok(WaitStatus::Exited(_, 0))) {
            return 1;
        }
        std::thread::sleep(Duration::from_millis(rng.u64(..200)));
    }
    0
}

fn use_one(state: SharedState, slot: usize, reports: &ReportSender, rng: &mut Rng) {
    let before = state.epoch();
    let verdict = use_store(rng);
    let counters = state.counters(slot);
    counters.commands.fetch_add(1, SeqCst);
    if !module_stayed_loaded(before, state.epoch()) {
        counters.unloaded.fetch_add(1, SeqCst);
        return;
    }
    counters.checked.fetch_add(1, SeqCst);
    if let Err(why) = verdict {
        counters.mismatches.fetch_add(1, SeqCst);
        reports.send(&format!("in a new network namespace: {why}"));
    }
}

fn use_store(rng: &mut Rng) -> Verdict {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|errno| format!("cannot make a network namespace: {errno}"))?;
    let mut client = Client::connect().map_err(|failure| format!("cannot connect: {failure}"))?;
    // No other program uses the store, so any key may be one of its own.
    let mut own_keys = OwnKeys::new(Vec::new(), 0);
    for step in 0..STEPS {
        if step == STEPS / 2 && rng.bool() {
            check("flush", client.flush(), Ok(()))?;
            own_keys.forget();
        }
        own_keys.step(&mut client, rng)?;
        if step % 20 == 19 {
            own_keys.list(&mut client, rng.bool())?;
        }
    }
    Ok(())
}
