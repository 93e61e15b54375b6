// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask stress`: many shells at once in a guest, each checking every answer, and what the guest's kernel
//! has to say about it.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;

/// What the stress program prints while it works; everything else is its summary.
const PROGRESS: &str = "progress: ";

const CHURN: u32 = 4;

/// What is stressed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum Subject {
    /// Shells on `/proc/memory_info`
    MemoryInfo,
    /// Programs on the store of keys and values
    Moddb,
}

impl Subject {
    /// The module's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MemoryInfo => "memory_info",
            Self::Moddb => "moddb",
        }
    }
}

/// How hard and how long.
#[derive(clap::Args, Clone, Copy)]
pub struct Load {
    /// Which module
    #[arg(long, value_enum, default_value = "memory_info")]
    pub module: Subject,
    /// Concurrent shells, or programs, each checking its answers
    #[arg(long, default_value_t = 16)]
    pub shells: u32,
    /// How long to run, in seconds of the guest's; goes on until all loads are done
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Processes that fork, exec, remap, rename themselves and die beside the shells, or make network namespaces
    #[arg(long, default_value_t = CHURN)]
    pub churn: u32,
    /// How often to unload and load the module meanwhile
    #[arg(long, default_value_t = 0)]
    pub loads: u64,
    /// Seed of all random choices, to repeat a run's
    #[arg(long)]
    pub seed: Option<u64>,
}

impl Load {
    /// So many shells on a module for so many seconds, with so many loads meanwhile.
    pub const fn of(module: Subject, shells: u32, seconds: u64, loads: u64) -> Self {
        Self {
            module,
            shells,
            seconds,
            churn: CHURN,
            loads,
            seed: None,
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--module={}", self.module.name()),
            format!("--shells={}", self.shells),
            format!("--seconds={}", self.seconds),
            format!("--churn={}", self.churn),
            format!("--loads={}", self.loads),
        ];
        arguments.extend(self.seed.map(|seed| format!("--seed={seed}")));
        arguments
    }

    /// Start and end take time too, and so does each load.
    fn limits(&self, slowdown: u32) -> Limits {
        let slow = Limits {
            total: Duration::from_secs(120 + 5 * self.loads),
            silence: Duration::from_secs(60),
        }
        .times(slowdown);
        Limits {
            total: slow.total + 2 * Duration::from_secs(self.seconds),
            ..slow
        }
    }
}

/// What came of a run.
pub struct Run {
    /// Why it failed, if it did.
    pub failure: Option<String>,
    summary: Vec<String>,
}

impl Run {
    /// Writes what came of it to `path`, for people. `source` is what was tested.
    pub fn report(&self, path: &Path, guest: &Guest, source: &str, load: Load) -> Result<()> {
        let verdict = match &self.failure {
            None => "passed",
            Some(_) => "FAILED",
        };
        let text = format!(
            "# A stress run of {}: {verdict}\n\n\
             Kernel: {}. Source: {source}. Load: `{}`.\n\n```\n{}\n```\n",
            load.module.name(),
            guest.kernel(),
            load.arguments().join(" "),
            self.summary.join("\n")
        );
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Runs it on `guest`, shows how far it is and what came of it.
pub fn run(guest: &Guest, load: Load) -> Result<Run> {
    let (machine, accelerator) = guest.machine(None)?;
    let mut summary = Vec::new();
    let line = progress_line()?;
    let mode = Mode::Stress(load.arguments());
    let limits = load.limits(guest.slowdown());
    let result = machine.watch(accelerator, &mode, limits, |text| {
        match text.strip_prefix(PROGRESS) {
            Some(progress) if line.is_hidden() => eprintln!("{progress}"),
            Some(progress) => line.set_message(progress.to_owned()),
            None => {
                line.suspend(|| println!("{text}"));
                summary.push(text.to_owned());
            }
        }
    });
    line.finish_and_clear();
    let result = result?;
    let complaints = result.complaints.iter().map(|line| format!("  {line}"));
    let count = format!("kernel complaints: {}", result.complaints.len());
    for line in std::iter::once(count).chain(complaints) {
        println!("{line}");
        summary.push(line);
    }
    let why = match result.verdict {
        Ok(0) if result.complaints.is_empty() => None,
        Ok(0) => Some("the kernel complained".to_owned()),
        Ok(status) => Some(format!("the stress program ended with status {status}")),
        Err(error) => Some(format!("{error:#}")),
    };
    Ok(Run {
        failure: why.map(|why| format!("{why}; {}", result.logs)),
        summary,
    })
}

fn progress_line() -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let line = ProgressBar::new_spinner();
    line.set_style(ProgressStyle::with_template(
        "{spinner} [{elapsed}] {wide_msg}",
    )?);
    line.enable_steady_tick(Duration::from_millis(120));
    Ok(line)
}
