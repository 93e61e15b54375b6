// SPDX-License-Identifier: GPL-2.0-only

//! Runs tests one after the other, each in a process of its own with a time limit, and counts the outcomes.

use crate::case::{self, Case};
use crate::{helper, module};
use anyhow::{bail, Context, Result};
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Outcome of a test.
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs the tests whose names contain all of `filters`. Returns success if none of them failed.
pub fn run(tests: impl Iterator<Item = &'static Case>, filters: &[String]) -> Result<ExitCode> {
    helper::adopt_orphans()?;
    let wanted = |case: &&Case| {
        filters
            .iter()
            .all(|filter| case.name().contains(filter.as_str()))
    };
    let chosen: Vec<&Case> = tests.filter(wanted).collect();
    if chosen.is_empty() {
        bail!("no test has a name that contains {filters:?}; `guest-tests list` prints the names");
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for case in chosen {
        print!("test {} ... ", case.name());
        std::io::stdout().flush()?;
        match run_one(case)? {
            Verdict::Passed => {
                passed += 1;
                println!("ok");
            }
            Verdict::Failed(why) => {
                failed += 1;
                println!("FAILED");
                why.lines().for_each(|line| println!("    {line}"));
            }
            Verdict::Skipped(why) => {
                skipped += 1;
                println!("skipped: {why}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a test in its process, ends the processes that it left running, and unloads the modules that it left loaded.
fn run_one(case: &Case) -> Result<Verdict> {
    // These are files, not pipes: the runner must not wait for a helper process that outlives the test.
    let mut reason = tempfile::tempfile().context("cannot make a file for the test's output")?;
    let mut complaint = tempfile::tempfile()?;
    let mut process = Command::new(std::env::current_exe()?)
        .args(["case", case.name()])
        .stdin(Stdio::null())
        .stdout(reason.try_clone()?)
        .stderr(complaint.try_clone()?)
        .spawn()
        .context("cannot start the test's process")?;
    let status = helper::wait_until(&mut process, Instant::now() + case.limit)?;
    helper::reap_all()?;
    let mut left_loaded = false;
    for module in module::ALL.iter().filter(|module| module.is_loaded()) {
        left_loaded = true;
        module
            .unload()
            .context("the test left a module loaded, which cannot be unloaded")?;
    }

    let text = |file: &mut std::fs::File| -> Result<String> {
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    let verdict = match status {
        None => Verdict::Failed(format!(
            "killed after its time limit of {} s\n{}",
            case.limit.as_secs(),
            text(&mut complaint)?
        )),
        Some(status) if status.code() == Some(case::SKIPPED) => {
            Verdict::Skipped(text(&mut reason)?)
        }
        Some(status) if !status.success() => {
            let how = match status.signal() {
                Some(signal) => format!("killed by signal {signal}\n"),
                None => String::new(),
            };
            Verdict::Failed(how + &text(&mut complaint)?)
        }
        Some(_) if left_loaded => Verdict::Failed("the test left a module loaded".into()),
        Some(_) => Verdict::Passed,
    };
    Ok(verdict)
}
