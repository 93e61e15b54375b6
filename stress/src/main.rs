// SPDX-License-Identifier: GPL-2.0-only

//! Many shells at once on `/proc/memory_info`, or programs on the store of moddb, each checking every answer that it
//! gets, while other processes fork, remap, rename themselves and die, or make namespaces, shells are killed, and the
//! module comes and goes.

mod area;
mod board;
mod child;
mod churn;
mod complaints;
mod crew;
mod expectation;
mod family;
mod line;
mod shells;
mod store;
mod storm;
mod subject;
mod supervisor;
mod worker;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use subject::Subject;

/// The file under test.
const FILE: &str = "/proc/memory_info";

#[derive(Parser, Clone)]
#[command(
    name = "module-stress",
    about = "Checks a module under many shells or programs at once; run as root",
    after_help = "\
On memory_info, each shell owns processes under names of its own and checks each answer exactly: presence, pids, page
counts, errors. What cannot be checked, and is counted apart:
  during a load    commands that meet the module while it is being unloaded or loaded
  evicted          the module keeps the answers of 1024 writers; a command between whose write and read
                   more short-lived writers (/bin/echo, subshells) came than leave room for it
Not asked for, because the module defines it otherwise: a shell that has written by its own builtin echo
keeps to those answers, also when a child of it writes later.
On moddb, each program has keys of its own, on which every answer is known, and writes keys that all write,
whose values tell who wrote them, in which order, and whether they are whole. Others make network namespaces.

Exit status: 0 if all answers were right and all processes ended well, else 1; 2 for wrong usage."
)]
struct Options {
    /// Which module
    #[arg(long, value_enum, default_value = "memory_info")]
    module: Subject,
    /// Concurrent shells or programs, 1 to 256
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    shells: u16,
    /// How long to run; goes on until all loads are done
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Processes that fork, exec, remap, rename themselves and die beside the shells; on moddb, that make namespaces
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=64))]
    churn: u16,
    /// How often to unload and load the module meanwhile
    #[arg(long, default_value_t = 0)]
    loads: u64,
    /// Where the module is, if it has to be loaded [default: /modules/<module>.ko]
    #[arg(long)]
    file: Option<PathBuf>,
    /// Seed of all random choices; chosen and printed if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Ends at once: what churning processes execute
    #[arg(long, hide = true)]
    churned: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.churned {
        return ExitCode::SUCCESS;
    }
    supervisor::run(&options).unwrap_or_else(|error| {
        eprintln!("module-stress: {error:#}");
        ExitCode::FAILURE
    })
}
