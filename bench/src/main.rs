// SPDX-License-Identifier: GPL-2.0-only

//! Measures the modules in a guest, each beside the yardsticks that it is compared with.

mod crowd;
mod experiment;
mod experiments;
mod flag;
mod holder;
mod ksm;
mod latency;
mod memory_info;
mod module;
mod pages;
mod processors;
mod read_once;
mod stores;
mod system_memory;
mod user_scan;

use anyhow::Context;
use clap::Parser;
use experiment::Bench;
use nix::sys::resource::{setrlimit, Resource};
use std::process::ExitCode;

/// Two for each process of the bench, and some.
const OPEN_FILES: u64 = 1 << 16;

#[derive(Parser, Clone)]
#[command(
    name = "guest-bench",
    about = "Measures the modules; run as root, in a guest"
)]
struct Options {
    /// Only the experiments whose names contain one of these
    filters: Vec<String>,
    /// A few small ones
    #[arg(long)]
    quick: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let bench = Bench::new(options.filters, options.quick, options.rounds);
    let many_files = setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES);
    let done = many_files
        .context("cannot raise the limit of open files")
        .and_then(|()| experiments::run(&bench));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
