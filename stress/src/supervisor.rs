// SPDX-License-Identifier: GPL-2.0-only

//! The run as a whole: starts everything, kills shells, loads and unloads, and says how it goes.

use crate::board::{Board, Totals};
use crate::complaints::{self, Heard};
use crate::crew::Crew;
use crate::Options;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Complaints that are printed; the rest is counted only.
const SHOWN: usize = 10;
/// With so many failed processes a run is over.
const MOST_FAILURES: usize = 20;
/// With no command answered for so long, nothing moves any more.
const STALL: Duration = Duration::from_secs(300);

struct Run {
    board: Board,
    heard: Heard,
    began: Instant,
    seconds: u64,
    shown: usize,
    failures: usize,
    loads: u64,
}

/// Runs to the end; the status says whether all was well.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "only root may ask and load modules: run this as root"
    );
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone()).context("cannot watch signals")?;
    }
    let file = options.file.clone();
    let file = file.unwrap_or_else(|| options.module.file());
    options.module.ensure_loaded(&file)?;

    let mut rng = options.seed.map_or_else(Rng::new, Rng::with_seed);
    println!("seed: {}", rng.get_seed());
    let board = Board::new(Crew::places(options))?;
    let (complaints, heard) = complaints::channel()?;
    let mut run = Run {
        board,
        heard,
        began: Instant::now(),
        seconds: options.seconds,
        shown: 0,
        failures: 0,
        loads: 0,
    };
    let mut crew = Crew::start(options, board, complaints, rng.u64(..))?;
    run.began = Instant::now();
    let outcome = run.supervise(options, &file, &mut crew, &mut rng, &interrupted);
    let failures = crew.end()?;
    run.note_failures(failures);
    outcome?;
    run.hear()?;
    Ok(run.summarize())
}

impl Run {
    fn supervise(
        &mut self,
        options: &Options,
        file: &Path,
        crew: &mut Crew,
        rng: &mut Rng,
        interrupted: &AtomicBool,
    ) -> Result<()> {
        let end = self.began + Duration::from_secs(options.seconds);
        let load_every =
            Duration::from_secs(options.seconds).as_millis() as u64 / (options.loads + 1);
        let began = self.began;
        let load_at = |done: u64| began + Duration::from_millis(load_every * (done + 1));
        let mut next_load = load_at(0);
        let mut next_kill = self.began + pause(rng);
        let mut next_progress = self.began + PROGRESS_EVERY;
        let mut last_commands = (0, self.began);
        while !interrupted.load(SeqCst) {
            let now = Instant::now();
            let loads_missing = self.loads < options.loads;
            if now >= end && !loads_missing {
                return Ok(());
            }
            if loads_missing && now >= next_load {
                let pause = Duration::from_millis(rng.u64(..20));
                options.module.reload(self.board, file, pause)?;
                self.loads += 1;
                // The shells get as much time with the module as the load took them.
                next_load = load_at(self.loads).max(Instant::now() + now.elapsed());
            }
            if now >= next_kill {
                crew.kill_one();
                next_kill = now + pause(rng);
            }
            let failures = crew.tend()?;
            self.note_failures(failures);
            self.hear()?;
            ensure!(
                self.failures < MOST_FAILURES,
                "{MOST_FAILURES} processes of this run failed: giving up"
            );
            if now >= next_progress {
                self.print_progress();
                next_progress = now + PROGRESS_EVERY;
            }
            let commands = self.board.totals().commands;
            if commands != last_commands.0 {
                last_commands = (commands, now);
            }
            ensure!(
                now - last_commands.1 < STALL,
                "no command was answered for {STALL:?}: see the kernel log for what hangs"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("interrupted");
        Ok(())
    }

    fn note_failures(&mut self, failures: Vec<String>) {
        self.failures += failures.len();
        for failure in failures {
            println!("failed: {failure}");
        }
    }

    fn hear(&mut self) -> Result<()> {
        for complaint in self.heard.take()? {
            self.shown += 1;
            if self.shown <= SHOWN {
                println!("{complaint}");
            }
        }
        Ok(())
    }

    fn print_progress(&self) {
        let totals = self.board.totals();
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
        } = self.board.totals();
        println!("seconds: {}", self.began.elapsed().as_secs());
        println!("commands: {commands}");
        println!("answers checked: {checked}");
        println!("mismatches: {mismatches}");
        println!("loads: {}", self.loads);
        println!("commands during a load, not checked: {unloaded}");
        println!("answers evicted by many writers: {evicted}");
        println!("failed processes: {}", self.failures);
        if checked == 0 {
            println!("failed: not one answer was checked");
        }
        if mismatches == 0 && self.failures == 0 && checked > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Until the next shell is killed.
fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(200..1500))
}
