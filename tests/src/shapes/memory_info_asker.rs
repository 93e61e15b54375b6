// SPDX-License-Identifier: GPL-2.0-only

//! Processes that give commands to `memory_info` all the time.

use super::churn::deadline;
use super::MODULE_IS_GONE;
use crate::case::check_text;
use crate::command_file;
use crate::memory_info;
use anyhow::{ensure, Result};
use guest::child::errno_of;
use guest::listing;
use std::io::Read;
use std::time::Instant;

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
                Ok(_) => drop(listing::parse_checked(&text)?),
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
