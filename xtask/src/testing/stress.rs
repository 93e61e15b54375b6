// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask stress`: runs the stress program in a guest, shows its progress, and checks the kernel's log.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;

/// Prefix of the progress lines of the stress program; all other lines are its summary.
const PROGRESS: &str = "progress: ";

/// Default number of processes that change while the shells run.
const CHURN: u32 = 4;

/// The module that is stressed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum Subject {
    /// Shells that read and write `/proc/memory_info`
    MemoryInfo,
    /// Programs that use the key-value store of moddb
    Moddb,
}

impl Subject {
    /// Returns the name of the module.
    pub fn name(self) -> &'static str {
        match self {
            Self::MemoryInfo => "memory_info",
            Self::Moddb => "moddb",
        }
    }
}

/// The load and the duration of a stress run.
#[derive(clap::Args, Clone, Copy)]
pub struct Load {
    /// Name of the module to stress
    #[arg(long, value_enum, default_value = "memory_info")]
    pub module: Subject,
    /// Number of concurrent shells or programs
    #[arg(long, default_value_t = 16)]
    pub shells: u32,
    /// Duration in seconds of the guest's clock; the run continues until all loads are done
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Number of processes that fork, exec, remap, rename themselves and exit, or make network namespaces
    #[arg(long, default_value_t = CHURN)]
    pub churn: u32,
    /// Number of times to unload and load the module during the run
    #[arg(long, default_value_t = 0)]
    pub loads: u64,
    /// Seed of all random choices, to repeat those of an earlier run
    #[arg(long)]
    pub seed: Option<u64>,
}

impl Load {
    /// Creates a load of `shells` shells on `module` for `seconds` seconds, with `loads` loads of the module.
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

    /// Returns the time limits of a run, which include the start, the end and each load of the module.
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

/// The result of a stress run.
pub struct Run {
    /// The reason for the failure, if the run failed.
    pub failure: Option<String>,
    summary: Vec<String>,
}

impl Run {
    /// Writes a report of the run to `path`, in Markdown. `source` is the revision that was tested.
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

/// Runs the stress program on `guest`; prints its progress and summary.
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
        Ok(0) => Some("the kernel reported errors".to_owned()),
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
