// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask bench`: measures the modules in a guest together with yardsticks, and reports which targets are met.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use bench::{available_memory, Conditions, Message, Report, Samples, MESSAGE};

use crate::guest::machine::{Limits, Mode};
use crate::guest::programs;
use crate::guest::setup::{BuildSetup, Guest};
use crate::host::cache;
use crate::host::workspace::Workspace;
use crate::kernels::kernel::STOCK;
use crate::kernels::own::NATIVE;

/// Directory of the files that are the memory of User-mode Linux.
const MEMORY_FILES: &str = "/dev/shm";
/// Memory of a guest for all experiments, in bytes and as an argument.
const LARGE_MEMORY: (u64, &str) = (6 << 30, "6G");
/// Memory of a guest for small experiments only.
const SMALL_MEMORY: &str = "2G";
/// Memory in bytes that is left to other programs of this machine.
const RESERVE: u64 = 2 << 30;
/// Factor by which a figure of a quick run may miss its target.
const QUICK_MARGIN: f64 = 2.0;
/// Number of measurements of a quick run.
const QUICK_ROUNDS: u32 = 5;

#[derive(clap::Args)]
pub struct Options {
    /// Run only experiments whose names contain one of these strings
    filters: Vec<String>,
    /// Run only a few small experiments
    #[arg(long)]
    quick: bool,
    /// Fail if a target is missed
    #[arg(long)]
    strict: bool,
    /// Number of measurements of each experiment
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Write the table and the samples (bench-<kernel>.md, .json) and the charts into this directory
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
    /// Kernel: native, stock, or another one that tests run on [default: native, then a quick run on stock]
    #[arg(long, value_name = "NAME|RELEASE")]
    kernel: Option<String>,
}

impl Options {
    /// Measures and prints the report. Returns true if no experiment failed and, with --strict, all targets are met.
    pub fn run(&self) -> Result<bool> {
        let workspace = Workspace::open()?;
        let programs = programs::build(&workspace)?;
        let kernels: Vec<(&str, bool)> = match &self.kernel {
            Some(kernel) => vec![(kernel, self.quick)],
            None if self.quick => vec![(NATIVE, true)],
            None => vec![(NATIVE, false), (STOCK, true)],
        };
        let mut success = true;
        for (kernel, quick) in kernels {
            let setup = BuildSetup::new(&workspace, Some(kernel))?;
            let guest = guest(&setup, &programs, quick)?;
            let samples = measure(&guest, &self.filters, quick, self.rounds)?;
            let conditions = Conditions {
                kernel: guest.kernel(),
                source: workspace.project.revision(),
                rounds: self.rounds,
                has_native_speed: is_native(&setup),
            };
            let report = Report::new(samples, conditions);
            println!("\n{}", report.text());
            if let Some(directory) = &self.output {
                cache::create_dir(directory)?;
                let mut files = report.write(directory, kernel)?;
                if !quick {
                    files.extend(report.draw(directory)?);
                }
                for file in files {
                    println!("{}", file.display());
                }
            }
            success &= report.is_complete() && (!self.strict || report.meets_targets());
        }
        Ok(success)
    }
}

/// Returns a guest with the modules of the bench and as much memory as this machine can spare. Unless `quick`, the
/// guest also has the programs that the modules are compared with.
pub fn guest<'a>(setup: &'a BuildSetup, programs: &[PathBuf], quick: bool) -> Result<Guest<'a>> {
    Guest::for_bench(setup, programs, memory_for(is_native(setup))?, !quick)
}

/// Returns true if guests of this kernel run at the speed of the machine.
fn is_native(setup: &BuildSetup) -> bool {
    let recipe = setup.kernel().recipe();
    recipe.is_some_and(|recipe| recipe.user_mode)
}

/// Makes a quick run on `guest`, and measures once more what misses its target. Returns the problems that remain.
pub fn quick(guest: &Guest) -> Result<Vec<String>> {
    let mut filters = Vec::new();
    let mut problems = Vec::new();
    for _ in 0..2 {
        let samples = measure(guest, &filters, true, QUICK_ROUNDS)?;
        let conditions = Conditions {
            kernel: guest.kernel(),
            source: String::new(),
            rounds: QUICK_ROUNDS,
            has_native_speed: true,
        };
        let report = Report::new(samples, conditions);
        println!("{}", report.table());
        problems = report.problems(QUICK_MARGIN);
        if problems.is_empty() || !report.is_complete() {
            break;
        }
        filters = report
            .experiments_beyond(QUICK_MARGIN)
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
    Ok(problems)
}

/// Runs the bench in the guest; returns its samples.
fn measure(guest: &Guest, filters: &[String], quick: bool, rounds: u32) -> Result<Samples> {
    let (machine, accelerator) = guest.machine(None)?;
    let mut arguments = vec![format!("--rounds={rounds}")];
    arguments.extend(quick.then(|| "--quick".to_owned()));
    arguments.extend(filters.iter().cloned());
    let limits = Limits {
        total: Duration::from_secs(3600),
        silence: Duration::from_secs(180),
    }
    .times(guest.slowdown());
    let mut messages = Vec::new();
    let verdict = machine.run(
        accelerator,
        &Mode::Bench(arguments),
        limits,
        |line| match line.strip_prefix(MESSAGE) {
            Some(json) => messages.push(serde_json::from_str::<Message>(json)),
            None => eprintln!("{line}"),
        },
    )?;
    ensure!(verdict == 0, "the bench ended with status {verdict}");
    let messages = messages
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .context("a line of the guest is not a message of bench::Message")?;
    ensure!(
        !messages.is_empty(),
        "the guest measured nothing: no experiment has a name that contains {}",
        filters.join(" or ")
    );
    Ok(Samples::new(messages))
}

/// Returns the memory of the guest. Large experiments are skipped if this machine does not have enough for them.
fn memory_for(native: bool) -> Result<&'static str> {
    let (bytes, name) = LARGE_MEMORY;
    if !native {
        return Ok(SMALL_MEMORY);
    }
    let files = nix::sys::statvfs::statvfs(Path::new(MEMORY_FILES))
        .with_context(|| format!("cannot read the size of {MEMORY_FILES}"))?;
    let free = files.blocks_available() * files.fragment_size();
    let enough = free.min(available_memory()?) >= bytes + RESERVE;
    Ok(if enough { name } else { SMALL_MEMORY })
}
