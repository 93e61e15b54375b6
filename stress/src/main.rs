// SPDX-License-Identifier: GPL-2.0-only

//! Stress test of a module: many shells at once use `/proc/memory_info`, or many programs use the store of moddb, and
//! each of them checks every answer that it gets. Other processes fork, remap their memory, rename themselves and die,
//! or make network namespaces; shells are killed, and the module is unloaded and loaded.

mod churn;
mod concurrent_resets;
mod expectation;
mod failure_reports;
mod moddb;
mod options;
mod owned_processes;
mod processes;
mod shared_state;
mod shared_tables;
mod shells;
mod stopped_set;
mod subject;
mod supervisor;
mod worker;

use clap::Parser;
use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.exit_at_once {
        return ExitCode::SUCCESS;
    }
    supervisor::run(&options).unwrap_or_else(|error| {
        eprintln!("module-stress: {error:#}");
        ExitCode::FAILURE
    })
}
