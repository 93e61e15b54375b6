// SPDX-License-Identifier: GPL-2.0-only

//! Options of the command line.

use crate::subject::Subject;
use clap::Parser;
use std::path::PathBuf;

/// Option under which the program ends at once; churning processes execute it.
pub const EXIT_AT_ONCE: &str = "--exit-at-once";

/// Options of the command line.
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
pub struct Options {
    /// Module that is tested
    #[arg(long, value_enum, default_value = "memory_info")]
    pub module: Subject,
    /// Number of concurrent shells or programs, 1 to 256
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shells: u16,
    /// Duration of the run in seconds; it continues until all loads are done
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Number of processes that fork, exec, remap, rename themselves and die, or (moddb) make network namespaces
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub churn: u16,
    /// Number of times that the module is unloaded and loaded during the run
    #[arg(long, default_value_t = 0)]
    pub loads: u64,
    /// File of the module, used if it must be loaded [default: /modules/<module>.ko]
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Seed of all random choices [default: a random one, which is printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Exit at once with success; executed by churning processes
    #[arg(long, hide = true)]
    pub exit_at_once: bool,
}

#[cfg(test)]
mod tests {
    use super::{Options, EXIT_AT_ONCE};
    use clap::Parser;

    #[test]
    fn churning_processes_exit_at_once() {
        let options = Options::try_parse_from(["module-stress", EXIT_AT_ONCE]);
        assert!(options.is_ok_and(|options| options.exit_at_once));
    }
}
