// SPDX-License-Identifier: GPL-2.0-only

//! Stress test of a module: many shells at once use `/proc/memory_info`, or many programs use the store of moddb, and each
//! of them checks every answer that it gets. Other processes fork, remap their memory, rename themselves and die, or make
//! network namespaces; shells are killed, and the module is unloaded and loaded.

mod churn;
mod concurrent_resets;
mod expectation;
mod failure_reports;
mod moddb;
mod owned_processes;
mod processes;
mod shared_state;
mod shells;
mod subject;
mod supervisor;
mod worker;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use subject::Subject;

#[derive(Parser, Clone)]
#[command(
    name = "module-stress",
    about = "Checks a module under many concurrent shells or programs; run as root",
    after_help = "\
With memory_info, each shell owns processes with names that no other process has, and checks each answer exactly:
which sets are there, their pids, their page counts, and errors. Two kinds of answers cannot be checked and are counted
separately:
  during a load    the command was given while the module was being unloaded or loaded
  evicted          the module keeps the answers of the latest 1024 writers; between the write and the read of
                   this command, so many short-lived processes (/bin/echo, subshells) wrote that it may be gone
One case is not tested, because the module defines it otherwise: after a shell has written with its builtin echo,
it gets its own answers, also after a child of it writes.
With moddb, each program has keys of its own, whose values it knows, and keys that all programs write. A value says
which program wrote it and in which order, and has a checksum. Other processes make network namespaces.

Exit status: 0 if all answers were right and no process failed; 1 otherwise; 2 for wrong usage."
)]
struct Options {
    /// Module to test
    #[arg(long, value_enum, default_value = "memory_info")]
    module: Subject,
    /// Number of concurrent shells or programs, 1 to 256
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    shells: u16,
    /// Duration of the run in seconds; it continues until all loads are done
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Number of processes that fork, exec, remap, rename themselves and die, or (moddb) make network namespaces
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=64))]
    churn: u16,
    /// Number of times that the module is unloaded and loaded during the run
    #[arg(long, default_value_t = 0)]
    loads: u64,
    /// File of the module, used if it must be loaded [default: /modules/<module>.ko]
    #[arg(long)]
    file: Option<PathBuf>,
    /// Seed of all random choices [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Exit at once with success; executed by churning processes
    #[arg(long, hide = true)]
    exit_at_once: bool,
}

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

#[cfg(test)]
mod tests {
    use super::{churn, Options};
    use clap::Parser;

    #[test]
    fn churning_processes_know_the_option_to_exit() {
        let options = Options::try_parse_from(["module-stress", churn::EXIT_OPTION]);
        assert!(options.is_ok_and(|options| options.exit_at_once));
    }
}
