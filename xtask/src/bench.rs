// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask bench`: measures the modules in a guest beside yardsticks, and says which targets are met.

mod figures;
mod output;
mod plots;
mod samples;
mod targets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use bench::{available_memory, Message, MESSAGE};

use crate::guest::machine::{Limits, Mode};
use crate::guest::programs;
use crate::guest::setup::{Guest, Setup};
use crate::host::workspace::Workspace;
use crate::kernels::kernel::STOCK;
use crate::kernels::own::NATIVE;
use figures::{Figure, Judged};
use samples::Samples;

/// Where User-mode Linux has its memory: it is a file.
const MEMORY_FILES: &str = "/dev/shm";
/// What large experiments want of it, and what the others make do with.
const MUCH: (u64, &str) = (6 << 30, "6G");
const LITTLE: &str = "2G";
/// What must be left to others on this machine.
const RESERVE: u64 = 2 << 30;
/// How far beyond its target a figure of a quick run may be.
const QUICK_MARGIN: f64 = 2.0;
const QUICK_ROUNDS: u32 = 5;

#[derive(clap::Args)]
pub struct Options {
    /// Only the experiments whose names contain one of these
    filters: Vec<String>,
    /// Only a few small experiments, which fail if they are off their targets by more than a factor of two
    #[arg(long)]
    quick: bool,
    /// Fail if a target is missed
    #[arg(long)]
    strict: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Write the table and the samples (bench-<kernel>.md, .json) and the charts into this directory
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
    /// native, stock, or another one that tests run on [default: all of it on native, then some of it on stock]
    #[arg(long, value_name = "NAME|RELEASE")]
    kernel: Option<String>,
}

impl Options {
    /// Measures; returns whether nothing failed.
    pub fn run(&self) -> Result<bool> {
        let workspace = Workspace::open()?;
        let programs = programs::build(&workspace)?;
        let kernels: Vec<(&str, bool)> = match &self.kernel {
            Some(kernel) => vec![(kernel, self.quick)],
            None if self.quick => vec![(NATIVE, true)],
            None => vec![(NATIVE, false), (STOCK, true)],
        };
        let source = workspace.project.revision();
        let mut well = true;
        for (kernel, quick) in kernels {
            let setup = Setup::new(&workspace, Some(kernel))?;
            let guest = guest(&setup, &programs, quick)?;
            let run = measure(&guest, &self.filters, quick, self.rounds)?;
            let mut figures = run.figures();
            // The targets are for native speed; emulation makes other things dear.
            figures
                .iter_mut()
                .filter(|_| !is_native(&setup))
                .for_each(Judged::forget_target);
            let report = format!(
                "# {}\n\nSource: {source}. Rounds: {}.\n\n{}\n",
                guest.kernel(),
                self.rounds,
                output::table(&figures, &run)
            );
            println!("\n{report}");
            if let Some(directory) = &self.output {
                let name = guest.kernel();
                output::write(directory, kernel, &name, &report, &figures, &run)?;
                if !quick {
                    plots::draw(directory, &run)?;
                }
            }
            well &= run.failed.is_empty();
            well &= !self.strict || figures.iter().all(Judged::is_met);
        }
        Ok(well)
    }
}

/// A guest with the bench's modules, with as much memory as this machine can spare, and for more than a quick run with
/// what that compares with.
pub fn guest<'a>(setup: &'a Setup, programs: &[PathBuf], quick: bool) -> Result<Guest<'a>> {
    Guest::for_bench(setup, programs, memory_for(is_native(setup))?, !quick)
}

/// Whether its guests run at the machine's own speed.
fn is_native(setup: &Setup) -> bool {
    let recipe = setup.kernel().recipe();
    recipe.is_some_and(|recipe| recipe.user_mode)
}

/// A quick run on `guest`, of which what is off its target is measured once more. Returns what is wrong then.
pub fn quick(guest: &Guest) -> Result<Vec<String>> {
    let mut filters = Vec::new();
    let mut why = Vec::new();
    for _ in 0..2 {
        let run = measure(guest, &filters, true, QUICK_ROUNDS)?;
        let figures = run.figures();
        println!("{}", output::table(&figures, &run));
        let off = || {
            figures
                .iter()
                .filter(|judged| !judged.is_within(QUICK_MARGIN))
        };
        let failures = run.failed.iter();
        why = failures
            .map(|(experiment, reason)| format!("{experiment}: {reason}"))
            .chain(off().map(Judged::to_string))
            .collect();
        if why.is_empty() || !run.failed.is_empty() {
            break;
        }
        filters = off()
            .flat_map(|judged| judged.figure.experiments())
            .map(str::to_owned)
            .collect();
    }
    Ok(why)
}

impl Samples {
    fn figures(&self) -> Vec<Judged> {
        targets::FIGURES
            .iter()
            .filter_map(|figure: &'static Figure| figure.judge(self))
            .collect()
    }
}

fn measure(guest: &Guest, filters: &[String], quick: bool, rounds: u32) -> Result<Samples> {
    let (machine, accelerator) = guest.machine(None)?;
    let mut words = vec![format!("--rounds={rounds}")];
    words.extend(quick.then(|| "--quick".to_owned()));
    words.extend(filters.iter().cloned());
    let limits = Limits {
        total: Duration::from_secs(3600),
        silence: Duration::from_secs(180),
    }
    .times(guest.patience());
    let mut messages = Vec::new();
    let verdict = machine.run(accelerator, &Mode::Bench(words), limits, |line| match line
        .strip_prefix(MESSAGE)
    {
        Some(json) => messages.push(serde_json::from_str::<Message>(json)),
        None => eprintln!("{line}"),
    })?;
    ensure!(verdict == 0, "the bench ended with status {verdict}");
    let messages = messages
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .context("a line of the guest's is not what bench::Message says")?;
    ensure!(
        !messages.is_empty(),
        "the guest measured nothing: no experiment's name contains {}",
        filters.join(" or ")
    );
    Ok(Samples::new(messages))
}

/// What the guest is given: the large experiments are skipped where this machine has not enough for them.
fn memory_for(native: bool) -> Result<&'static str> {
    let (bytes, name) = MUCH;
    if !native {
        return Ok(LITTLE);
    }
    let files = nix::sys::statvfs::statvfs(Path::new(MEMORY_FILES))
        .with_context(|| format!("cannot ask {MEMORY_FILES} for its size"))?;
    let free = files.blocks_available() * files.fragment_size();
    let enough = free.min(available_memory()?) >= bytes + RESERVE;
    Ok(if enough { name } else { LITTLE })
}
