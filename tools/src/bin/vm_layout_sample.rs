// SPDX-License-Identifier: GPL-2.0-only

//! `vm-layout-sample`: runs `vm-layout-app` through its schedules, and prints a sample of its layout at each step, as a
//! line of [`tools::SAMPLE`] and JSON.

use anyhow::{ensure, Context, Result};
use clap::Parser;
use guest::module::VM_LAYOUT;
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use tools::{Sample, SAMPLE};

/// Index of the first entry of the top-level page table that belongs to the kernel.
const KERNEL_HALF: u64 = 256;

#[derive(Parser)]
#[command(
    name = "vm-layout-sample",
    about = "Samples the memory layout of vm-layout-app through /proc/vm_layout; run as root",
    after_help = "\
Prints one line `sample <JSON>` for each step of the application.

Exit status: 0 success; 1 the module cannot be loaded or did not answer, or the application failed; 2 wrong usage."
)]
struct Options {
    /// File of the module, which is loaded during the run
    #[arg(long, default_value = "/modules/vm_layout.ko")]
    module: PathBuf,
    /// Program of the application
    #[arg(long, default_value = "/usr/bin/vm-layout-app")]
    app: PathBuf,
}

/// One run of the application.
struct Run {
    experiment: &'static str,
    /// What distinguishes this run from the others of the experiment.
    series: &'static str,
    /// Arguments of the application, separated by spaces.
    arguments: &'static str,
}

const fn run_of(experiment: &'static str, series: &'static str, arguments: &'static str) -> Run {
    Run {
        experiment,
        series,
        arguments,
    }
}

const RUNS: &[Run] = &[
    run_of("heap", "blocks of 100 bytes", "heap --block 100"),
    run_of("heap", "blocks of 4 KiB", "heap --block 4096"),
    run_of("heap", "blocks of 64 KiB", "heap --block 65536"),
    run_of("heap", "blocks of 120 KiB", "heap --block 122880"),
    run_of("heap", "blocks of 128 KiB", "heap --block 131072"),
    run_of(
        "free",
        "the latest first",
        "heap --block 4096 --free latest",
    ),
    run_of(
        "free",
        "the oldest first",
        "heap --block 4096 --free oldest",
    ),
    run_of("stack", "256 bytes a call", "stack --frame 256"),
    run_of("stack", "1 KiB a call", "stack --frame 1024"),
    run_of("stack", "4 KiB a call", "stack --frame 4096"),
    run_of("rss", "written", "touch --way write"),
    run_of(
        "rss",
        "written, huge pages advised",
        "touch --way write-huge",
    ),
    run_of("rss", "only read", "touch --way read"),
    run_of("time", "spread", "spread"),
];

/// The used part of the module's report.
#[derive(Deserialize)]
struct Report {
    areas: Vec<serde::de::IgnoredAny>,
    heap: Segment,
    stack: Segment,
    rss: Rss,
    top_level: TopLevel,
}

#[derive(Deserialize)]
struct Segment {
    size: u64,
}

#[derive(Deserialize)]
struct Rss {
    pages: u64,
}

#[derive(Deserialize)]
struct TopLevel {
    used: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    index: u64,
}

/// The opened file of the module.
struct VmLayout(File);

impl VmLayout {
    /// Returns the report about the process `pid`.
    fn ask(&mut self, pid: u32) -> Result<Report> {
        self.0
            .write_all(format!("{pid} json=1\n").as_bytes())
            .with_context(|| format!("vm_layout does not answer about process {pid}"))?;
        let mut json = Vec::new();
        self.0.rewind()?;
        self.0.read_to_end(&mut json)?;
        serde_json::from_slice(&json).context("the answer of vm_layout is not a report in JSON")
    }
}

/// Prints one sample for each step of the application.
fn sample(run: &Run, app: &mut Child, vm_layout: &mut VmLayout) -> Result<()> {
    let pid = app.id();
    let mut input = app.stdin.take().context("the application has no input")?;
    let output = app.stdout.take().context("the application has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let (phase, progress) = line.split_once(' ').with_context(|| {
            format!("the application printed {line:?} instead of a phase and its progress")
        })?;
        let report = vm_layout.ask(pid)?;
        let own = |entry: &&Entry| entry.index < KERNEL_HALF;
        let sample = Sample {
            experiment: run.experiment.to_owned(),
            series: run.series.to_owned(),
            phase: phase.to_owned(),
            x: progress
                .parse()
                .with_context(|| format!("{progress:?} is not a number"))?,
            heap: report.heap.size,
            stack: report.stack.size,
            rss_pages: report.rss.pages,
            areas: report.areas.len() as u64,
            top_level: report.top_level.used.iter().filter(own).count() as u64,
        };
        println!("{SAMPLE}{}", serde_json::to_string(&sample)?);
        input.write_all(b"\n")?;
    }
    let status = app.wait()?;
    ensure!(status.success(), "the application ended with {status}");
    Ok(())
}

fn sample_all(app: &PathBuf) -> Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/proc/vm_layout")
        .context("cannot open /proc/vm_layout")?;
    let mut vm_layout = VmLayout(file);
    for run in RUNS {
        let mut app = Command::new(app)
            .args(run.arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", app.display()))?;
        sample(run, &mut app, &mut vm_layout)
            .with_context(|| format!("{}: {}", run.experiment, run.series))?;
    }
    Ok(())
}

fn run(options: &Options) -> Result<()> {
    let module = VM_LAYOUT.load_from(&options.module, "")?;
    sample_all(&options.app)?;
    module.unload()
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vm-layout-sample: {error:#}");
            ExitCode::FAILURE
        }
    }
}
