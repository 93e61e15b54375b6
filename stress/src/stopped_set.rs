// SPDX-License-Identifier: GPL-2.0-only

//! A set of stopped processes of which all counts are known, and of processes that join it, change and leave.
//!
//! [`guest::set_churn`] says why the counts of the stopped processes can be told from those of the others: both
//! `may_be_shared` and `nb_group` must be exact in every answer.

use crate::failure_reports::ReportSender;
use crate::options::EXIT_AT_ONCE;
use crate::shared_state::{module_stayed_loaded, SharedState};
use crate::shells::native;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use guest::child::{self, hold, wait_until_stopped};
use guest::classes::Classes;
use guest::listing;
use guest::set_churn::{Contents, SetChurn, FIRST_UNIQUE_SEED};
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Number of stopped processes.
const STOPPED: u64 = 3;
/// Number of processes that start and end others.
const CHURNS: usize = 2;

/// Returns the pages of the stopped process `index`. The unique pages are unique in the set.
fn classes(index: u64) -> Classes {
    Classes {
        twins: 200,
        pairs: 300,
        unique: 400,
        first_unique: FIRST_UNIQUE_SEED - (index + 1) * 400,
    }
}

/// Gives RESETs and checks the counts until the run stops; returns the exit status.
pub fn run(state: SharedState, slot: usize, name: &str, reports: &ReportSender, rng: Rng) -> i32 {
    let outcome = check_until_stop(state, slot, name, reports, rng);
    if let Err(error) = &outcome {
        reports.send(&format!("the set of stopped processes: {error:#}"));
    }
    i32::from(outcome.is_err())
}

fn check_until_stop(
    state: SharedState,
    slot: usize,
    name: &str,
    reports: &ReportSender,
    mut rng: Rng,
) -> Result<()> {
    let comm = CString::new(name)?;
    let counter = Contents::counter()?;
    let mut stopped = Vec::new();
    for index in 0..STOPPED {
        let process = child::start(|| {
            stop(&comm, classes(index)).map_err(|error| error.downcast().unwrap_or(Errno::EIO))
        })?;
        wait_until_stopped(process)?;
        stopped.push(process.as_raw());
    }
    for _ in 0..CHURNS {
        let rng = rng.fork();
        child::start_with_status(|| {
            let churned = churn(state, &comm, Contents::Unique(&counter), rng);
            if let Err(error) = &churned {
                reports.send(&format!("churn in the set of stopped processes: {error:#}"));
            }
            i32::from(churned.is_err())
        })?;
    }
    let counters = state.counters(slot);
    let mut checked = 0;
    while !state.is_stopping() {
        state.wait_for_module(Duration::from_millis(5));
        let before = state.epoch();
        let answers = native::ask_through_one_descriptor(b"RESET\n").and_then(|_| {
            native::ask_through_one_descriptor(format!("FILTER|{name}\n").as_bytes())
        });
        counters.commands.fetch_add(2, SeqCst);
        if !module_stayed_loaded(before, state.epoch()) {
            counters.unloaded.fetch_add(2, SeqCst);
            continue;
        }
        counters.checked.fetch_add(2, SeqCst);
        checked += 1;
        let answer = answers.context("the file of memory_info")?;
        if let Err(why) = check(&answer, &stopped) {
            counters.mismatches.fetch_add(1, SeqCst);
            reports.send(&format!(
                "the set of stopped processes, RESET {checked}:\n  expected: {why:#}\n  actual:   \"{}\"",
                answer[..answer.len().min(300)].escape_ascii()
            ));
        }
        std::thread::sleep(Duration::from_millis(rng.u64(..60)));
    }
    Ok(())
}

/// Fails with a description of what was expected.
fn check(answer: &[u8], stopped: &[i32]) -> Result<()> {
    let lines = listing::parse_checked(answer)?;
    let [line] = &lines[..] else {
        anyhow::bail!("one line");
    };
    let may_be_shared = STOPPED * classes(0).may_be_shared();
    let nb_group = classes(0).nb_group();
    ensure!(
        (line.may_be_shared, line.nb_group) == (may_be_shared, nb_group),
        "may_be_shared: {may_be_shared}, nb_group: {nb_group}"
    );
    ensure!(
        stopped.iter().all(|pid| line.pids.contains(pid)),
        "the pids {stopped:?} and others"
    );
    Ok(())
}

/// Maps the pages, takes the name of the set, and stops for good.
fn stop(comm: &CStr, classes: Classes) -> Result<()> {
    let area = classes.map()?;
    // No page may be reclaimed.
    area.lock()?;
    nix::sys::prctl::set_name(comm)?;
    hold()
}

/// Starts and ends processes in the set until the run stops.
fn churn(state: SharedState, comm: &CStr, contents: Contents<'_>, mut rng: Rng) -> Result<()> {
    let churn = SetChurn::new(comm, contents)?;
    while !state.is_stopping() {
        let mut program = Command::new("/proc/self/exe");
        // Fails when the system is short of memory or processes, which the shells need more.
        let _ = churn.round(&mut rng, program.arg(EXIT_AT_ONCE));
        // Leaves processor time to the shells.
        std::thread::sleep(Duration::from_millis(rng.u64(..20)));
    }
    Ok(())
}
