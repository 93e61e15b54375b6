// SPDX-License-Identifier: GPL-2.0-only

//! The guest tests. They run as root in the virtual machine, use the modules as programs and shells do, and compare the
//! answers with what independent oracles compute in user space.
//!
//! For each module there are an interface and an oracle (`memory_info`, `vm_layout`, `moddb`) and, in `cases`, a folder of
//! tests. The other files are the test runner and the pieces of which tests are made.

mod case;
mod cases;
mod command_file;
mod escape;
mod helper;
mod kernel;
mod memory_info;
mod moddb;
mod module;
mod privileges;
mod runner;
mod shapes;
mod shell;
mod vm_layout;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    about = "Tests of the kernel modules; run them as root in a virtual machine",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the names of the tests, one per line
    List,
    /// Run all tests, or the tests whose names contain every FILTER
    Run {
        /// Part of a test's name
        filter: Vec<String>,
    },
    /// Print the answer to ALL that the oracle of memory_info expects
    Oracle {
        /// Print only the line of the processes with this name
        name: Option<String>,
    },
    /// Run tests that must not pass, to test the runner
    #[command(hide = true)]
    Broken,
    /// Run one test in this process
    #[command(hide = true)]
    Case { name: String },
    /// Take a shape: become a process with a known memory layout
    #[command(hide = true)]
    Worker {
        comm: String,
        shape: String,
        argument: Option<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::List => {
            cases::all().for_each(|case| println!("{}", case.name()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { filter } => runner::run(cases::all(), &filter),
        Command::Broken => runner::run(cases::broken(), &[]),
        Command::Oracle { name } => memory_info::oracle::print(name.as_deref()),
        Command::Case { name } => case::run_here(&name),
        Command::Worker {
            comm,
            shape,
            argument,
        } => shapes::become_shape(&comm, &shape, argument.as_deref()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("guest-tests: {error:#}");
        ExitCode::FAILURE
    })
}
