// SPDX-License-Identifier: GPL-2.0-only

//! The supervisor of a run: starts all processes, kills shells, reloads the module, and prints progress and result.

use crate::failure_reports::{self, ReportReceiver};
use crate::options::Options;
use crate::processes::Processes;
use crate::shared_state::{SharedState, Totals};
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Number of failure reports that are printed; the rest is only counted.
const MAX_PRINTED_REPORTS: usize = 10;
/// Number of failed processes that ends a run.
const MAX_FAILURES: usize = 20;
/// Longest time without an answered command; after it, the run is taken to hang.
const STALL_LIMIT: Duration = Duration::from_secs(300);

struct Run {
    state: SharedState,
    reports: ReportReceiver,
    began: Instant,
    seconds: u64,
    received_reports: usize,
    failures: usize,
    loads: u64,
}

/// Runs the test to its end. The exit status says whether all answers were right and no process failed.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "only root may use and load the module: run this as root"
    );
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone())
            .context("cannot install a signal handler")?;
    }
    let file = options.file.clone();
    let file = file.unwrap_or_else(|| options.module.file());
    options.module.ensure_loaded(&file)?;

    let mut rng = options.seed.map_or_else(Rng::new, Rng::with_seed);
    println!("seed: {}", rng.get_seed());
    let state = SharedState::new(Processes::slots(options))?;
    let (sender, reports) = failure_reports::channel()?;
    let mut run = Run {
        state,
        reports,
        began: Instant::now(),
        seconds: options.seconds,
        received_reports: 0,
        failures: 0,
        loads: 0,
    };
    let mut processes = Processes::start(options, state, sender, rng.u64(..))?;
    run.began = Instant::now();
    let outcome = run.supervise(options, &file, &mut processes, &mut rng, &interrupted);
    let failures = processes.end()?;
    run.print_failures(failures);
    outcome?;
    run.print_reports()?;
    Ok(run.summarize())
}

impl Run {
    fn supervise(
        &mut self,
        options: &Options,
        file: &Path,
        processes: &mut Processes,
        rng: &mut Rng,
        interrupted: &AtomicBool,
    ) -> Result<()> {
        let end = self.began + Duration::from_secs(options.seconds);
        let load_interval =
            Duration::from_secs(options.seconds).as_millis() as u64 / (options.loads + 1);
        let began = self.began;
        let load_at = |done: u64| began + Duration::from_millis(load_interval * (done + 1));
        let mut next_load = load_at(0);
        let mut next_kill = self.began + kill_interval(rng);
        let mut next_progress = self.began + PROGRESS_INTERVAL;
        let mut last_commands = (0, self.began);
        while !interrupted.load(SeqCst) {
            let now = Instant::now();
            let loads_are_missing = self.loads < options.loads;
            if now >= end && !loads_are_missing {
                return Ok(());
            }
            if loads_are_missing && now >= next_load {
                let pause = Duration::from_millis(rng.u64(..20));
                options.module.reload(self.state, file, pause)?;
                self.loads += 1;
                // Gives the shells at least as much time with the module as the reload took.
                next_load = load_at(self.loads).max(Instant::now() + now.elapsed());
            }
            if now >= next_kill {
                processes.kill_one();
                next_kill = now + kill_interval(rng);
            }
            let failures = processes.reap_and_restart()?;
            self.print_failures(failures);
            self.print_reports()?;
            ensure!(
                self.failures < MAX_FAILURES,
                "{MAX_FAILURES} processes of this run failed: giving up"
            );
            if now >= next_progress {
                self.print_progress();
                next_progress = now + PROGRESS_INTERVAL;
            }
            let commands = self.state.totals().commands;
            if commands != last_commands.0 {
                last_commands = (commands, now);
            }
            ensure!(
                now - last_commands.1 < STALL_LIMIT,
                "no command was answered for {STALL_LIMIT:?}: the kernel log may say what hangs"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("interrupted");
        Ok(())
    }

    fn print_failures(&mut self, failures: Vec<String>) {
        self.failures += failures.len();
        for failure in failures {
            println!("failed: {failure}");
        }
    }

    fn print_reports(&mut self) -> Result<()> {
        for report in self.reports.take()? {
            self.received_reports += 1;
            if self.received_reports <= MAX_PRINTED_REPORTS {
                println!("{report}");
            }
        }
        Ok(())
    }

    fn print_progress(&self) {
        let totals = self.state.totals();
        println!(
            "progress: {}/{} s, {} commands, {} answers checked, {} mismatches",
            self.began.elapsed().as_secs(),
            self.seconds,
            totals.commands,
            totals.checked,
            totals.mismatches
        );
    }

    fn summarize(&self) -> ExitCode {
        let Totals {
            commands,
            checked,
            mismatches,
            unloaded,
            evicted,
        } = self.state.totals();
        println!("seconds: {}", self.began.elapsed().as_secs());
        println!("commands: {commands}");
        println!("answers checked: {checked}");
        println!("mismatches: {mismatches}");
        println!("loads: {}", self.loads);
        println!("commands during a load, not checked: {unloaded}");
        println!("answers evicted by many writers: {evicted}");
        println!("failed processes: {}", self.failures);
        if checked == 0 {
            println!("failed: no answer was checked");
        }
        if mismatches == 0 && self.failures == 0 && checked > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Returns the time until the next shell is killed.
fn kill_interval(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(200..1500))
}
