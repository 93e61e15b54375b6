// SPDX-License-Identifier: GPL-2.0-only

//! The guest tests: they run as root in the virtual machine, drive the modules' files the way users
//! do, and compare every figure with what an independent oracle computes in user space.

mod case;
mod cases;
mod command_file;
mod crowd;
mod escape;
mod failing_load;
mod fault;
mod helper;
mod kernel_log;
mod kernel_memory;
mod memory_info;
mod moddb;
mod module;
mod netlink;
mod privileges;
mod runner;
mod setting;
mod shapes;
mod shell;
mod tiny_elf;
mod traced;
mod vm_layout;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    about = "Tests of the modules, to be run as root in a virtual machine",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the names of the tests, one a line
    List,
    /// Run all tests, or those whose name contains each FILTER
    Run {
        /// Part of a test's name
        filter: Vec<String>,
    },
    /// Print what the oracle sees, in the format of the module's answer to ALL
    Oracle {
        /// Only the processes of this name
        name: Option<String>,
    },
    /// Run tests that must not pass, to check the runner
    #[command(hide = true)]
    Broken,
    /// Run one test in this process
    #[command(hide = true)]
    Case { name: String },
    /// Become a process with a known memory layout
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
