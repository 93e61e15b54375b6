// SPDX-License-Identifier: GPL-2.0-only

//! The project's commands: `cargo xtask demo`, `shell`, `build`, `test`, `stress`, `bench`, `clean`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod bench;
mod guest;
mod host;
mod kernels;
mod plot;
mod testing;

use guest::demo;
use guest::modules;
use guest::programs;
use guest::setup::{BuildSetup, Guest};
use host::cache;
use host::chroot;
use host::project::Project;
use host::workspace::Workspace;
use testing::{matrix, quick, stress, suites};

/// Builds, shows and tests the kernel modules of this project.
///
/// All commands set up what they need by themselves: a Debian root with the tools and a stock Debian kernel,
/// kept in the user's cache directory. This needs unprivileged user namespaces, sudo or root.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

const EXIT_STATUS: &str =
    "Exit status: 0 if everything succeeded; 1 if a test, a check of the demo or a set-up step \
     failed (the message says which); 2 if the usage was wrong.";

#[derive(Subcommand)]
enum Task {
    /// Boot a stock kernel, start processes, and show the module's answers about them
    Demo(KernelOption),
    /// Open a shell in the guest, with the module loaded
    Shell(KernelOption),
    /// Build the kernel modules and print the paths of the .ko files
    Build {
        /// stock, debug, kcsan, native, native-kasan, a row of the table in docs/kernels.md (or its series alone), a
        /// Debian kernel release, or the build tree of a kernel with Rust metadata [default: stock]
        #[arg(long, value_name = "NAME|ROW|RELEASE|TREE")]
        kernel: Option<String>,
    },
    /// Run the host, model and guest tests, or those that a filter selects
    Test {
        /// Only print the tests' names
        #[arg(long)]
        list: bool,
        /// Run only what a developer runs between two changes: host tests, loom with fewer preemptions, and the guest tests
        /// of the modules that changed since the last commit (or in it)
        #[arg(long, conflicts_with_all = ["list", "filter"])]
        quick: bool,
        /// Run only the tests whose names contain this string
        filter: Option<String>,
        #[command(flatten)]
        kernel: KernelOption,
    },
    /// Build and test the modules on each supported kernel, and record the results in docs/kernels.md
    Matrix(matrix::Options),
    /// Stress a module with many concurrent shells or programs that check every answer
    Stress {
        #[command(flatten)]
        load: stress::Load,
        /// Also write a report of the run to this file
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[command(flatten)]
        kernel: KernelOption,
    },
    /// Measure the modules and their yardsticks in a guest, and compare the figures with the targets
    Bench(bench::Options),
    /// Run vm_layout's experiments in a guest and draw them
    Plot {
        /// Directory of the charts
        #[arg(long, value_name = "DIRECTORY", default_value = "docs/plots")]
        out: PathBuf,
        #[command(flatten)]
        kernel: KernelOption,
    },
    /// Remove this checkout's kernel build products
    Clean {
        /// Remove the cache too: the tool root, the kernels, all logs
        #[arg(long)]
        cache: bool,
    },
    #[command(hide = true)]
    Enter(chroot::Enter),
}

#[derive(clap::Args)]
struct KernelOption {
    /// stock, debug, kcsan, native, native-kasan, a row of the table in docs/kernels.md (or its series alone), or a
    /// Debian kernel release as `uname -r` prints it [default: stock, the newest supported kernel of Debian's archive]
    #[arg(long, value_name = "NAME|ROW|RELEASE")]
    kernel: Option<String>,
}

impl KernelOption {
    /// Runs `task` on a guest, which contains the project's programs if `programs` is true.
    fn with_guest(
        &self,
        purpose: &str,
        programs: bool,
        task: impl FnOnce(&Guest) -> Result<bool>,
    ) -> Result<bool> {
        let workspace = Workspace::open()?;
        let setup = BuildSetup::new(&workspace, self.kernel.as_deref())?;
        let programs = match programs {
            true => programs::build(&workspace)?,
            false => Vec::new(),
        };
        task(&Guest::new(&setup, purpose, &programs)?)
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Task {
    /// Runs the command and returns the exit status.
    fn run(self) -> Result<u8> {
        let success = match self {
            Task::Demo(kernel) => kernel.with_guest("demo", false, show_demo)?,
            Task::Shell(kernel) => kernel.with_guest("shell", true, shell)?,
            Task::Build { kernel } => build(kernel.as_deref())?,
            Task::Test {
                quick: true,
                kernel,
                ..
            } => quick::run(kernel.kernel.as_deref())?,
            Task::Test {
                quick: false,
                list,
                filter,
                kernel,
            } => suites::run(filter.as_deref(), list, kernel.kernel.as_deref())?,
            Task::Stress {
                load,
                report,
                kernel,
            } => kernel.with_guest("stress", true, |guest| {
                stress(guest, load, report.as_deref())
            })?,
            Task::Bench(options) => options.run()?,
            Task::Matrix(options) => options.run()?,
            Task::Plot { out, kernel } => kernel.with_guest("plot", true, |guest| {
                plot::run(guest, &out)?;
                Ok(true)
            })?,
            Task::Clean { cache } => clean(cache)?,
            Task::Enter(enter) => return enter.run(),
        };
        Ok(u8::from(!success))
    }
}

fn show_demo(guest: &Guest) -> Result<bool> {
    let verdict = demo::run(guest, |line| println!("{line}"))?;
    if verdict != 0 {
        eprintln!(
            "error: the demo ended with status {verdict}: the lines above name the failed check"
        );
    }
    Ok(verdict == 0)
}

fn stress(guest: &Guest, load: stress::Load, report: Option<&Path>) -> Result<bool> {
    // Read before the run: the checkout may change during it.
    let source = Project::open()?.revision();
    let run = stress::run(guest, load)?;
    if let Some(path) = report {
        run.report(path, guest, &source, load)?;
    }
    if let Some(why) = &run.failure {
        eprintln!("error: the stress run failed: {why}");
    }
    Ok(run.failure.is_none())
}

fn shell(guest: &Guest) -> Result<bool> {
    let (machine, accelerator) = guest.machine(None)?;
    machine.interact(accelerator)?;
    Ok(true)
}

fn build(kernel: Option<&str>) -> Result<bool> {
    let tree = kernel.map(Path::new).filter(|path| path.is_dir());
    let workspace = Workspace::open()?;
    let modules = match tree {
        Some(tree) => modules::make_for_tree(&workspace, &tree.canonicalize()?)?,
        None => BuildSetup::new(&workspace, kernel)?.make(modules::Job::Build)?,
    };
    for file in &modules.files {
        println!("{}", file.display());
    }
    Ok(true)
}

fn clean(cache: bool) -> Result<bool> {
    // The lock keeps the products of concurrent runs.
    let cache_lock = cache::ExclusiveCache::take()?;
    let mut removed: Vec<PathBuf> = Vec::new();
    let outputs = Project::open()?.outputs();
    if outputs.exists() {
        std::fs::remove_dir_all(&outputs)
            .with_context(|| format!("cannot remove {}", outputs.display()))?;
        removed.push(outputs);
    }
    if cache {
        removed.push(cache_lock.remove()?);
    }
    for dir in removed {
        println!("removed {}", dir.display());
    }
    Ok(true)
}
