// SPDX-License-Identifier: GPL-2.0-only

//! `guest-bench`: measures the modules in a guest, together with the yardsticks that they are compared with.

mod affinity;
mod cloned_processes;
mod experiment;
mod experiments;
mod helper_process;
mod ksm;
mod latency;
mod memory_info;
mod pages;
mod read_once;
mod stores;
mod system_memory;
mod user_scan;

use anyhow::Context;
use clap::Parser;
use experiment::Selection;
use nix::sys::resource::{setrlimit, Resource};
use std::process::ExitCode;

/// Limit of open files: a helper process takes two.
const OPEN_FILES: u64 = 1 << 16;

#[derive(Parser, Clone)]
#[command(
    name = "guest-bench",
    about = "Measures the modules; run as root in a guest",
    after_help = "\
Prints one line `bench <JSON>` for each measurement. An experiment that fails does not keep the others from running.

Exit status: 0 success, also if an experiment failed; 1 no experiment could be run; 2 wrong usage."
)]
struct Options {
    /// Run only experiments whose names contain one of these words
    filters: Vec<String>,
    /// Run only a few small experiments
    #[arg(long)]
    quick: bool,
    /// Number of measurements of each experiment
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let selection = Selection::new(options.filters, options.quick, options.rounds);
    let many_files = setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES);
    let done = many_files
        .context("cannot raise the limit of open files")
        .and_then(|()| experiments::run(&selection));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
