// SPDX-License-Identifier: GPL-2.0-only

//! Memory that runs out anywhere: each allocation of each command and of the load fails once, then some at
//! several rates. Only ENOMEM may come out, and the data of before stays.

use super::errors::logged;
use crate::case::{check_eq, check_text, Case};
use crate::fault::Faults;
use crate::helper::Helper;
use crate::kernel_log::KernelLog;
use crate::module::Module;
use crate::{module, proc_file};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

pub const CASES: &[Case] = &[
    Case::new("faults::enomem_is_answered_and_logged", enomem),
    Case::slow("faults::each_allocation_of_a_reset", 900, || {
        each_allocation("RESET\n")
    }),
    Case::slow("faults::each_allocation_of_an_all", 300, || {
        each_allocation("ALL\n")
    }),
    Case::slow("faults::each_allocation_of_a_filter", 300, || {
        each_allocation("FILTER|steady\n")
    }),
    Case::slow("faults::each_allocation_of_a_del", 300, || {
        each_allocation("DEL|steady\n")
    }),
    Case::new(
        "faults::each_allocation_of_an_open",
        each_allocation_of_an_open,
    ),
    Case::slow("faults::each_allocation_of_a_load", 900, load),
    Case::slow("faults::at_several_rates", 600, at_several_rates),
];

fn enomem() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = module::load()?;
    let file = proc_file::open()?;
    let mut log = KernelLog::from_now()?;
    let written = faults.one_in(1, || proc_file::write(&file, b"RESET\n"))?;
    check_eq("what write returns", written, Err(Errno::ENOMEM))?;
    check_text(
        "what a new reader sees",
        proc_file::read()?,
        proc_file::NO_MEMORY,
    )?;
    logged(&mut log, proc_file::NO_MEMORY)
}

/// More allocations than any command has.
const MANY: u32 = 5_000;

fn each_allocation(command: &str) -> Result<()> {
    let faults = Faults::set_up()?;
    let _steady = Helper::worker("steady", "plain", None)?;
    let _module = module::load()?;
    let mut failures = 0;
    for n in 1..MANY {
        let old = proc_file::answer("ALL\n")?;
        let file = proc_file::open()?;
        let tried = faults.at(n, || proc_file::write(&file, command.as_bytes()))?;
        failures += u32::from(
            check(command, &file, tried.outcome, &old)
                .with_context(|| format!("allocation {n} of {command:?} failed"))?,
        );
        if tried.short_by > 0 {
            check_eq(
                "what write returns without a fault",
                tried.outcome,
                Ok(command.len()),
            )?;
            ensure!(
                failures > 0 || !needs_memory(command),
                "no allocation of {command:?} made it fail"
            );
            return proc_file::reset();
        }
        if tried.outcome.is_ok() {
            proc_file::reset()?;
        }
    }
    bail!("{command:?} still allocates after {MANY} allocations")
}

/// What is deleted only has to be answered, and the place for that came with the open file.
fn needs_memory(command: &str) -> bool {
    !command.starts_with("DEL")
}

fn each_allocation_of_an_open() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = module::load()?;
    let mut failures = 0;
    for n in 1..MANY {
        let path = Path::new(proc_file::PATH);
        let tried = faults.at(n, || File::options().read(true).write(true).open(path))?;
        match tried.outcome.map_err(|error| error.raw_os_error()) {
            Ok(file) => {
                check_eq("ALL", proc_file::write(&file, b"ALL\n"), Ok(4))?;
                if tried.short_by > 0 {
                    ensure!(failures > 0, "no allocation of an open made it fail");
                    return Ok(());
                }
            }
            Err(errno) => {
                failures += 1;
                check_eq("what open fails with", errno, Some(libc::ENOMEM))?;
            }
        }
    }
    bail!("opening still allocates after {MANY} allocations")
}

/// Whether the command failed; if so, how it may fail.
fn check(command: &str, file: &File, written: Result<usize, Errno>, old: &[u8]) -> Result<bool> {
    match written {
        Ok(length) => {
            check_eq("what write returns", length, command.len())?;
            return Ok(false);
        }
        Err(errno) => check_eq("what write fails with", errno, Errno::ENOMEM)?,
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut { file }, &mut text)?;
    check_text("the answer", text, proc_file::NO_MEMORY)?;
    check_text(
        "what a new reader sees",
        proc_file::read()?,
        proc_file::NO_MEMORY,
    )?;
    check_text("the data afterwards", proc_file::answer("ALL\n")?, old)?;
    Ok(true)
}

fn load() -> Result<()> {
    each_allocation_of_a_load(module::MEMORY_INFO, c"strict=2", c"", || {
        check_text("RESET", proc_file::answer("RESET\n")?, proc_file::SUCCESS)
    })
}

/// Each allocation of the module's own code when it is loaded with `parameters`; loaded, it must do what `works` asks.
/// Those of the kernel's loader come first, and are its own affair (it also logs some of their failures with a trace).
/// Where they end is seen from a load that the module's first lines refuse, with the parameters `refused`.
pub fn each_allocation_of_a_load(
    module: Module,
    refused: &CStr,
    parameters: &CStr,
    works: impl Fn() -> Result<()>,
) -> Result<()> {
    let faults = Faults::set_up()?;
    let file = module.open()?;
    // Some memory is got once for all loads.
    module.load_with(parameters.to_str()?)?.unload()?;
    // What is made after the refusal, on the way out, is less than the margin.
    const MARGIN: u32 = 60;
    let tried = faults.at(MANY, || module.load_opened(&file, refused))?;
    check_eq("a refused load", tried.outcome.err(), Some(Errno::EINVAL))?;
    let mut made = MANY - tried.short_by;
    // How many the loader makes varies with what memory is at hand.
    for _ in 0..5 {
        let (mut failures, mut ended) = (0, false);
        for n in made.saturating_sub(MARGIN)..MANY {
            let tried = faults.at(n, || module.load_opened(&file, parameters))?;
            match tried.outcome {
                Ok(loaded) => {
                    works()?;
                    loaded.unload()?;
                    if tried.short_by > 0 {
                        made = n - tried.short_by;
                        ended = true;
                        break;
                    }
                }
                Err(errno) => {
                    failures += 1;
                    check_eq(
                        &format!("allocation {n}: the load's error"),
                        errno,
                        Errno::ENOMEM,
                    )?;
                    module
                        .check_gone()
                        .with_context(|| format!("allocation {n}"))?;
                }
            }
        }
        ensure!(ended, "the load still allocates after {MANY} allocations");
        if failures > 0 {
            return Ok(());
        }
    }
    bail!("none of the last of {made} allocations made the load fail")
}

fn at_several_rates() -> Result<()> {
    let faults = Faults::set_up()?;
    let _steady = Helper::worker("steady", "plain", None)?;
    let _module = module::load()?;
    // What the calls need of this process's own memory is there afterwards.
    faults
        .one_in(1_000_000, || {
            proc_file::write(&proc_file::open()?, b"ALL\n").map_err(Into::into)
        })
        .and_then(|warm: Result<usize>| warm)?;
    for every in [1, 10, 100, 1_000] {
        for command in ["RESET\n", "ALL\n", "FILTER|steady\n", "DEL|steady\n"] {
            for _ in 0..4 {
                let old = proc_file::answer("ALL\n")?;
                let file = proc_file::open()?;
                let written =
                    faults.one_in(every, || proc_file::write(&file, command.as_bytes()))?;
                let failed = check(command, &file, written, &old)
                    .with_context(|| format!("one in {every} failed in {command:?}"))?;
                ensure!(
                    failed || every > 1 || !needs_memory(command),
                    "{command:?} needs no memory at all"
                );
                if !failed {
                    proc_file::reset()?;
                }
            }
        }
    }
    Ok(())
}
