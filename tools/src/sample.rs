// SPDX-License-Identifier: GPL-2.0-only

//! Runs `vm-layout-app` through its schedules, asks `vm_layout` about it at each step, and prints what
//! it answers as lines of [`tools::SAMPLE`] and JSON.

use anyhow::{ensure, Context, Result};
use clap::Parser;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use tools::{Sample, SAMPLE};

/// Entries of the top-level page table from here on are the kernel's.
const KERNEL_HALF: u64 = 256;

#[derive(Parser)]
#[command(
    name = "vm-layout-sample",
    about = "Samples vm-layout-app through /proc/vm_layout"
)]
struct Options {
    /// The module, which is loaded for the time of the run
    #[arg(long, default_value = "/modules/vm_layout.ko")]
    module: PathBuf,
    /// The application
    #[arg(long, default_value = "/usr/bin/vm-layout-app")]
    app: PathBuf,
}

/// An experiment, what distinguishes this run of it, and the application's arguments.
struct Run(&'static str, &'static str, &'static str);

const RUNS: &[Run] = &[
    Run("heap", "blocks of 100 bytes", "heap --block 100"),
    Run("heap", "blocks of 4 KiB", "heap --block 4096"),
    Run("heap", "blocks of 64 KiB", "heap --block 65536"),
    Run("heap", "blocks of 120 KiB", "heap --block 122880"),
    Run("heap", "blocks of 128 KiB", "heap --block 131072"),
    Run(
        "free",
        "the latest first",
        "heap --block 4096 --free latest",
    ),
    Run(
        "free",
        "the oldest first",
        "heap --block 4096 --free oldest",
    ),
    Run("stack", "256 bytes a call", "stack --frame 256"),
    Run("stack", "1 KiB a call", "stack --frame 1024"),
    Run("stack", "4 KiB a call", "stack --frame 4096"),
    Run("rss", "written", "touch --way write"),
    Run(
        "rss",
        "written, huge pages advised",
        "touch --way write-huge",
    ),
    Run("rss", "only read", "touch --way read"),
    Run("time", "spread", "spread"),
];

/// What is used of the module's report.
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

/// The module's file.
struct Asker(File);

impl Asker {
    fn ask(&mut self, pid: u32) -> Result<Report> {
        self.0
            .write_all(format!("{pid} json=1\n").as_bytes())
            .with_context(|| format!("vm_layout does not answer about process {pid}"))?;
        let mut json = Vec::new();
        self.0.rewind()?;
        self.0.read_to_end(&mut json)?;
        serde_json::from_slice(&json).context("the module's answer is no report")
    }
}

/// Prints one sample a step of the application.
fn sample(run: &Run, app: &mut Child, asker: &mut Asker) -> Result<()> {
    let pid = app.id();
    let mut go_on = app.stdin.take().context("the application has no input")?;
    let output = app.stdout.take().context("the application has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let (phase, how_far) = line
            .split_once(' ')
            .with_context(|| format!("the application said {line:?}"))?;
        let report = asker.ask(pid)?;
        let own = |entry: &&Entry| entry.index < KERNEL_HALF;
        let sample = Sample {
            experiment: run.0.to_owned(),
            series: run.1.to_owned(),
            phase: phase.to_owned(),
            x: how_far
                .parse()
                .with_context(|| format!("{how_far:?} is no number"))?,
            heap: report.heap.size,
            stack: report.stack.size,
            rss_pages: report.rss.pages,
            areas: report.areas.len() as u64,
            top_level: report.top_level.used.iter().filter(own).count() as u64,
        };
        println!("{SAMPLE}{}", serde_json::to_string(&sample)?);
        go_on.write_all(b"\n")?;
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
    let mut asker = Asker(file);
    for run in RUNS {
        let mut app = Command::new(app)
            .args(run.2.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", app.display()))?;
        sample(run, &mut app, &mut asker).with_context(|| format!("{}: {}", run.0, run.1))?;
    }
    Ok(())
}

fn run(options: &Options) -> Result<()> {
    let module = File::open(&options.module)
        .with_context(|| format!("cannot open {}", options.module.display()))?;
    finit_module(&module, c"", ModuleInitFlags::empty()).context("cannot load the module")?;
    let sampled = sample_all(&options.app);
    delete_module(c"vm_layout", DeleteModuleFlags::O_NONBLOCK)
        .context("cannot unload the module")?;
    sampled
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
