//! Measures the modules in a guest, each beside the yardsticks that it is compared with.

mod experiment;
mod experiments;
mod holder;
mod ksm;
mod memory_info;
mod module;
mod pages;
mod read_once;
mod user_scan;

use clap::Parser;
use experiment::Bench;
use std::process::ExitCode;

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
    match experiments::run(&bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
