// SPDX-License-Identifier: GPL-2.0-only

//! Processes that run during a test: they change all the time, or give commands all the time.

use crate::case::check_text;
use crate::command_file;
use crate::helper::worker_command;
use crate::memory_info;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use guest::child::errno_of;
use guest::listing::{self, Line};
use nix::errno::Errno;
use std::io::Read;
use std::time::{Duration, Instant};

/// Errors of calls on a module's file while the module is unloaded. `ENODEV` is for a command in progress.
pub(super) const MODULE_IS_GONE: [Errno; 3] = [Errno::ENOENT, Errno::EIO, Errno::ENODEV];

/// Forks children that remap their memory, rename themselves, execute a program, exit or are killed. Exits with success
/// after `argument` seconds.
pub fn churn(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    let seed = Rng::new().get_seed();
    let mut rng = Rng::with_seed(seed);
    while Instant::now() < end {
        let mut program = worker_command("churned", "churn", Some("0"))?;
        guest::churn::round(&mut rng, &mut program).with_context(|| format!("with seed {seed}"))?;
    }
    std::process::exit(0)
}

/// Gives every command of `memory_info` and requires an answer that fits. Exits with success after `argument` seconds.
pub fn storm(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    while Instant::now() < end {
        memory_info::reset()?;
        for line in memory_info::all()? {
            line.check()?;
        }
        let answer = memory_info::filter("churn-1")?;
        ensure!(
            answer == memory_info::NO_PROCESS.as_bytes() || answer.starts_with(b"churn-1, total: "),
            "FILTER|churn-1 was answered \"{}\"",
            answer.escape_ascii()
        );
        let answer = memory_info::answer("DEL|churn-2\n")?;
        ensure!(
            [memory_info::NO_PROCESS, memory_info::SUCCESS]
                .iter()
                .any(|expected| answer == expected.as_bytes()),
            "DEL|churn-2 was answered \"{}\"",
            answer.escape_ascii()
        );
    }
    std::process::exit(0)
}

/// Gives commands to `memory_info` while the module is loaded and unloaded. Requires complete answers, or errors that
/// mean that the module is not loaded. Exits with success after `argument` seconds.
pub fn asker(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    let mut answers = 0;
    while Instant::now() < end {
        let file = match memory_info::FILE.try_open() {
            Ok(file) => file,
            Err(errno) => {
                ensure!(MODULE_IS_GONE.contains(&errno), "opening failed: {errno}");
                continue;
            }
        };
        for command in ["RESET\n", "ALL\n"] {
            let mut text = Vec::new();
            let read = command_file::write(&file, command.as_bytes())
                .and_then(|_| (&file).read_to_end(&mut text).map_err(errno_of));
            match read {
                Ok(_) if command == "RESET\n" => {
                    check_text("the answer to RESET", text, memory_info::SUCCESS)?;
                }
                Ok(_) => listing::parse(&text)?.iter().try_for_each(Line::check)?,
                Err(errno) => ensure!(
                    MODULE_IS_GONE.contains(&errno),
                    "{command:?} failed: {errno}"
                ),
            }
            answers += u32::from(read.is_ok());
        }
    }
    ensure!(answers > 0, "no command was answered");
    std::process::exit(0)
}

/// Returns the moment in `argument` seconds.
pub(super) fn deadline(argument: &str) -> Result<Instant> {
    let seconds = argument
        .parse()
        .context("this shape takes a number of seconds")?;
    Ok(Instant::now() + Duration::from_secs(seconds))
}
