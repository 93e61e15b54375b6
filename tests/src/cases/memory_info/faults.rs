// SPDX-License-Identifier: GPL-2.0-only

//! Exhausted memory: each allocation of each command and of the load fails once, then allocations fail at several rates. The
//! only error may be ENOMEM, and the data must be unchanged.

use super::errors::logged;
use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::Helper;
use crate::kernel::fault_injection::load::fail_each_allocation_of_a_load;
use crate::kernel::fault_injection::Faults;
use crate::kernel::log::KernelLog;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::fs::File;
use std::path::Path;

cases! {
    enomem_is_answered_and_logged,
    each_allocation_of_a_reset (900 s) => || each_allocation("RESET\n"),
    each_allocation_of_an_all (300 s) => || each_allocation("ALL\n"),
    each_allocation_of_a_filter (300 s) => || each_allocation("FILTER|steady\n"),
    each_allocation_of_a_del (300 s) => || each_allocation("DEL|steady\n"),
    each_allocation_of_an_open,
    each_allocation_of_a_load (900 s),
    at_several_rates (600 s),
}

fn enomem_is_answered_and_logged() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let mut log = KernelLog::from_now()?;
    let written = faults.one_in(1, || command_file::write(&file, b"RESET\n"))?;
    check_eq("the result of write", written, Err(Errno::ENOMEM))?;
    check_text(
        "the answer in a new file",
        memory_info::read()?,
        memory_info::NO_MEMORY,
    )?;
    logged(&mut log, memory_info::NO_MEMORY)
}

/// More allocations than any command makes.
const MANY: u32 = 5_000;

/// Gives a command repeatedly: the first time, its first allocation fails, then its second, and so on.
fn each_allocation(command: &str) -> Result<()> {
    let faults = Faults::set_up()?;
    let _steady = Helper::worker("steady", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    let mut failures = 0;
    for n in 1..MANY {
        let old = memory_info::answer("ALL\n")?;
        let file = memory_info::open()?;
        let tried = faults.at(n, || command_file::write(&file, command.as_bytes()))?;
        failures += u32::from(
            check(command, &file, tried.outcome, &old)
                .with_context(|| format!("allocation {n} of {command:?} failed"))?,
        );
        if tried.short_by > 0 {
            check_eq(
                "the result of write without a fault",
                tried.outcome,
                Ok(command.len()),
            )?;
            ensure!(
                failures > 0 || !needs_memory(command),
                "no failed allocation made {command:?} fail"
            );
            return memory_info::reset();
        }
        if tried.outcome.is_ok() {
            memory_info::reset()?;
        }
    }
    bail!("{command:?} still allocates after {MANY} allocations")
}

/// Returns false for a command that does not allocate: DEL only needs memory for its answer, which belongs to the open file.
fn needs_memory(command: &str) -> bool {
    !command.starts_with("DEL")
}

fn each_allocation_of_an_open() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = MEMORY_INFO.load()?;
    let mut failures = 0;
    for n in 1..MANY {
        let path = Path::new(memory_info::PATH);
        let tried = faults.at(n, || File::options().read(true).write(true).open(path))?;
        match tried.outcome.map_err(|error| error.raw_os_error()) {
            Ok(file) => {
                check_eq("ALL", command_file::write(&file, b"ALL\n"), Ok(4))?;
                if tried.short_by > 0 {
                    ensure!(failures > 0, "no failed allocation made open(2) fail");
                    return Ok(());
                }
            }
            Err(errno) => {
                failures += 1;
                check_eq("the error of open", errno, Some(libc::ENOMEM))?;
            }
        }
    }
    bail!("open(2) still allocates after {MANY} allocations")
}

/// Returns true if the command failed. If so, requires that it failed with ENOMEM and left the data unchanged.
fn check(command: &str, file: &File, written: Result<usize, Errno>, old: &[u8]) -> Result<bool> {
    match written {
        Ok(length) => {
            check_eq("the result of write", length, command.len())?;
            return Ok(false);
        }
        Err(errno) => check_eq("the error of write", errno, Errno::ENOMEM)?,
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut { file }, &mut text)?;
    check_text("the answer", text, memory_info::NO_MEMORY)?;
    check_text(
        "the answer in a new file",
        memory_info::read()?,
        memory_info::NO_MEMORY,
    )?;
    check_text(
        "the data after the failure",
        memory_info::answer("ALL\n")?,
        old,
    )?;
    Ok(true)
}

fn each_allocation_of_a_load() -> Result<()> {
    fail_each_allocation_of_a_load(MEMORY_INFO, c"strict=2", c"", || {
        check_text(
            "RESET",
            memory_info::answer("RESET\n")?,
            memory_info::SUCCESS,
        )
    })
}

fn at_several_rates() -> Result<()> {
    let faults = Faults::set_up()?;
    let _steady = Helper::worker("steady", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    // After this call, the test itself needs no more memory for the calls below.
    faults
        .one_in(1_000_000, || {
            command_file::write(&memory_info::open()?, b"ALL\n").map_err(Into::into)
        })
        .and_then(|warm: Result<usize>| warm)?;
    for every in [1, 10, 100, 1_000] {
        for command in ["RESET\n", "ALL\n", "FILTER|steady\n", "DEL|steady\n"] {
            for _ in 0..4 {
                let old = memory_info::answer("ALL\n")?;
                let file = memory_info::open()?;
                let written =
                    faults.one_in(every, || command_file::write(&file, command.as_bytes()))?;
                let failed = check(command, &file, written, &old)
                    .with_context(|| format!("one in {every} failed in {command:?}"))?;
                ensure!(
                    failed || every > 1 || !needs_memory(command),
                    "{command:?} succeeded although every allocation failed"
                );
                if !failed {
                    memory_info::reset()?;
                }
            }
        }
    }
    Ok(())
}
