// SPDX-License-Identifier: GPL-2.0-only

//! Processes that execute programs or change their names while RESET runs: name and numbers are of one program, and a
//! name is one that the process had.

use super::errors::bulk;
use crate::case::{cases, check_eq};
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::shapes;
use anyhow::{ensure, Context, Result};
use guest::child;
use guest::listing;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{execv, Pid};
use std::time::Instant;

cases! {
    a_program_that_executes_another (300 s),
    a_name_that_changes_is_whole (120 s),
}

/// Number of processes that execute a program during RESET.
const ROUNDS: u32 = 40;
/// The last name in the order in which names are scanned.
const BEFORE: &[u8] = b"zz-before";

/// Starts a process that stops itself, and executes another program when it is continued.
fn about_to_execute() -> Result<Pid> {
    let child = child::start(|| {
        shapes::rename(BEFORE).map_err(|_| Errno::EINVAL)?;
        kill(Pid::this(), Signal::SIGSTOP)?;
        execv(c"/bin/bash", &[c"bash", c"-c", c"kill -STOP $$"]).map(drop)
    })?;
    child::wait_until_stopped(child)?;
    Ok(child)
}

/// Returns the number of pages in all areas of a process, as the kernel's own file tells it.
fn total_of(pid: Pid) -> Result<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let total = statm.split(' ').next().context("statm is empty")?;
    Ok(total.parse()?)
}

fn a_program_that_executes_another() -> Result<()> {
    let _bulk = bulk()?;
    let _module = MEMORY_INFO.load()?;
    let start = Instant::now();
    memory_info::reset()?;
    let usual = start.elapsed();
    let mut of_old = 0;
    for round in 0..ROUNDS {
        let process = about_to_execute()?;
        let before = total_of(process)?;
        let reset = child::start(|| memory_info::reset().map_err(|_| Errno::EIO))?;
        std::thread::sleep(usual.mul_f64(f64::from(round) / f64::from(ROUNDS)));
        kill(process, Signal::SIGCONT)?;
        child::wait_until_stopped(process)?;
        ensure!(
            total_of(process)? != before,
            "the programs have the same size"
        );
        let outcome = child::outcome(child::wait(reset)?)?;
        check_eq("RESET", outcome, Ok(()))?;
        let text = memory_info::filter(BEFORE)?;
        if text != memory_info::NO_PROCESS.as_bytes() {
            let lines = listing::parse_checked(&text)?;
            check_eq(
                "the size of the program with this name",
                lines[0].total,
                before,
            )?;
            of_old += 1;
        }
        kill(process, Signal::SIGKILL)?;
        waitpid(process, None)?;
    }
    ensure!(of_old > 0, "the old program was never seen");
    Ok(())
}

fn a_name_that_changes_is_whole() -> Result<()> {
    const NAMES: [&[u8]; 2] = [b"aaaaaaaaaaaaaaa", b"bbbbbbbbbbbbbbb"];
    const READINGS: usize = 400;
    let _module = MEMORY_INFO.load()?;
    let children = [(); 3].map(|()| {
        child::start(|| loop {
            for name in NAMES {
                shapes::rename(name).map_err(|_| Errno::EINVAL)?;
            }
        })
    });
    let mut seen = [0; 2];
    let mut torn = Vec::new();
    for _ in 0..READINGS {
        memory_info::reset()?;
        for line in memory_info::all()? {
            if !matches!(line.name.first(), Some(b'a' | b'b')) || line.name.len() < 15 {
                continue;
            }
            match NAMES.iter().position(|name| line.name == *name) {
                Some(index) => seen[index] += line.pids.len(),
                None => torn.push(line),
            }
        }
    }
    for child in children {
        kill(child?, Signal::SIGKILL)?;
        waitpid(child?, None)?;
    }
    // The kernel writes a name without a lock: a writer that is interrupted between two of its words leaves it torn
    // until it goes on. Every fortieth name was torn before names were read twice.
    ensure!(
        torn.len() <= READINGS / 200,
        "{} torn names: {torn:?}",
        torn.len()
    );
    ensure!(
        seen.iter().all(|count| *count > READINGS / 4),
        "the names were seen {seen:?} times"
    );
    Ok(())
}
