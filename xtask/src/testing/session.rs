// SPDX-License-Identifier: GPL-2.0-only

//! A run of the tests: the context that the suites share, and a method for each suite.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{anyhow, bail, ensure, Context, Result};

use crate::bench;
use crate::guest::modules::Job;
use crate::guest::programs;
use crate::guest::setup::{BuildSetup, Guest};
use crate::host::cache;
use crate::host::progress::step;
use crate::host::workspace::Workspace;
use crate::kernels::kernel::STOCK;
use crate::kernels::own::NATIVE;
use crate::kernels::release::NotOffered;
use crate::kernels::supported::Supported;
use crate::testing::linkage;
use crate::testing::netlink_spec;
use crate::testing::stress::{self, Load};
use crate::testing::summary::{Outcome, Summary};
use crate::testing::vm_suite::{self, VmSuite};

/// The context that the suites of a run share. Each part is set up when a suite needs it first.
pub struct Session<'a> {
    workspace: &'a Workspace,
    kernel: Option<&'a str>,
    /// The set-ups so far, with the names of their kernels.
    setups: Vec<(&'a str, Result<BuildSetup<'a>, String>)>,
    programs: OnceCell<Result<Vec<PathBuf>, String>>,
}

impl<'a> Session<'a> {
    /// Creates a run on `kernel`, or on the default kernel.
    pub fn new(workspace: &'a Workspace, kernel: Option<&'a str>) -> Self {
        Self {
            workspace,
            kernel,
            setups: Vec::new(),
            programs: OnceCell::new(),
        }
    }

    fn setup(&mut self, kernel: Option<&'a str>) -> Result<&BuildSetup<'a>> {
        let kernel = kernel.unwrap_or(STOCK);
        let known = self.setups.iter().position(|(name, _)| *name == kernel);
        let index = known.unwrap_or_else(|| {
            let setup =
                BuildSetup::new(self.workspace, Some(kernel)).map_err(|error| format!("{error:#}"));
            self.setups.push((kernel, setup));
            self.setups.len() - 1
        });
        let (_, setup) = &self.setups[index];
        setup.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Returns the paths of the guest's programs; the first call builds them.
    fn programs(&self) -> Result<&[PathBuf]> {
        let programs = self
            .programs
            .get_or_init(|| programs::build(self.workspace).map_err(|error| format!("{error:#}")));
        match programs {
            Ok(programs) => Ok(programs),
            Err(error) => bail!("{error}"),
        }
    }

    /// Runs the commands in order, with their output in the log `name`; fails at the first that fails.
    fn pass(&self, name: &str, commands: &mut [Command]) -> Result<Outcome> {
        step(name, self.workspace.cache.log(name), |step| {
            commands
                .iter_mut()
                .try_for_each(|command| step.run(command))
        })?;
        Ok(Outcome::Ok)
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.project.cargo();
        command.args(arguments);
        command
    }

    /// Checks the formatting of all Rust files.
    pub fn fmt(&mut self) -> Result<Outcome> {
        // The modules' own sources belong to no cargo package.
        let mut rustfmt = Command::new("rustfmt");
        rustfmt
            .current_dir(&self.workspace.project.dir)
            .args(["--check", "--edition", "2021"])
            .args(rust_files(&self.workspace.project.dir.join("src"))?);
        self.pass(
            "fmt",
            &mut [self.cargo(&["fmt", "--all", "--check"]), rustfmt],
        )
    }

    /// Runs clippy on all cargo packages.
    pub fn clippy_host(&mut self) -> Result<Outcome> {
        let clippy = |packages: &[&str]| {
            let mut command = self.cargo(&["clippy"]);
            command
                .args(packages)
                .args(["--all-targets", "--", "-Dwarnings"]);
            command
        };
        // Two runs: `model` builds the sources that it shares with other packages with other features.
        self.pass(
            "clippy-host",
            &mut [clippy(&[]), clippy(&["--package", "model"])],
        )
    }

    /// Runs the tests that need no guest.
    pub fn host(&mut self) -> Result<Outcome> {
        self.pass("host", &mut [self.cargo(&["test"])])
    }

    /// Checks all crates with the oldest supported compiler, which is that of the tool root.
    pub fn oldest_compiler(&mut self) -> Result<Outcome> {
        let Workspace { cache, project, .. } = self.workspace;
        let target = project.output("oldest-compiler", "host");
        cache::create_dir(&target)?;
        let chroot = self
            .workspace
            .root()?
            .chroot()
            .bind_read_only(&project.dir, "project")
            .bind(&target, "target")
            .bind(&project.cargo_home()?, "cargo");
        let mut check = chroot.command("env");
        check
            .args([
                "CARGO_HOME=/mnt/cargo",
                "cargo",
                "check",
                "--locked",
                "--offline",
            ])
            .args(["--manifest-path", "/mnt/project/Cargo.toml"])
            .args([
                "--target-dir",
                "/mnt/target",
                "--workspace",
                "--all-targets",
            ]);
        step("oldest compiler", cache.log("oldest-compiler"), |step| {
            step.run(&mut check)
        })?;
        Ok(Outcome::Ok)
    }

    /// Runs the model of the locking protocol and its mutants.
    pub fn loom(&mut self) -> Result<Outcome> {
        self.pass(
            "loom",
            &mut [self.cargo(&["test", "--release", "--package", "model"])],
        )
    }

    /// Runs the model with fewer preemptions and without the mutants.
    pub fn loom_quick(&mut self) -> Result<Outcome> {
        let mut test = self.cargo(&["test", "--release", "--package", "model"]);
        test.env("LOOM_MAX_PREEMPTIONS", "2");
        self.pass("loom-quick", &mut [test])
    }

    /// Runs the tests of the pure logic under Miri, if an installed toolchain has it.
    pub fn miri(&mut self) -> Result<Outcome> {
        let toolchains: [&[&str]; 2] = [&["miri"], &["+nightly", "miri"]];
        for toolchain in toolchains {
            let miri = || {
                // By name: only rustup's cargo accepts a toolchain. It must not install one.
                let mut command = Command::new("cargo");
                command
                    .current_dir(&self.workspace.project.dir)
                    .env("RUSTUP_AUTO_INSTALL", "0")
                    .args(toolchain);
                command
            };
            let answers = |argument| {
                let output = miri().arg(argument).output();
                output.is_ok_and(|output| output.status.success())
            };
            if answers("--version") {
                let mut test = miri();
                test.args(["test", "--package", "logic"])
                    .args(["--package", "logic_memory_info"])
                    .args(["--package", "logic_moddb"])
                    .args(["--package", "logic_vm_layout"])
                    .env("MIRIFLAGS", "-Zmiri-disable-isolation")
                    .env("PROPTEST_CASES", "4");
                return self.pass("miri", &mut [test]);
            }
        }
        Ok(Outcome::Skipped(
            "no installed toolchain has cargo miri: install it with `rustup component add --toolchain nightly miri`".to_owned(),
        ))
    }

    /// Runs clippy on the modules.
    pub fn clippy_kernel(&mut self) -> Result<Outcome> {
        self.setup(self.kernel)?.make(Job::Clippy)?;
        Ok(Outcome::Ok)
    }

    /// Checks moddb's netlink specification with the kernel's tools.
    pub fn specification(&mut self) -> Result<Outcome> {
        let workspace = self.workspace;
        netlink_spec::check(workspace, self.setup(self.kernel)?.kernel())?;
        Ok(Outcome::Ok)
    }

    /// Builds the modules for the requested kernel, and checks which layers they link.
    pub fn build(&mut self) -> Result<Outcome> {
        let workspace = self.workspace;
        let modules = self.setup(self.kernel)?.make(Job::Build)?;
        linkage::check(workspace, &modules)?;
        Ok(Outcome::Ok)
    }

    /// Builds all modules, the bench's included, for the supported series that the other suites do not run on.
    pub fn build_others(&mut self) -> Result<Outcome> {
        let supported = Supported::load()?;
        let tested = self.setup(self.kernel)?.kernel().series();
        let mut missing = Vec::new();
        for row in supported.defaults() {
            if row.series == tested {
                continue;
            }
            match BuildSetup::new(self.workspace, Some(&row.name())) {
                Ok(setup) => drop(setup.make(Job::BuildForBench)?),
                Err(error) if error.is::<NotOffered>() => missing.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(match missing.is_empty() {
            true => Outcome::Ok,
            false => Outcome::Skipped(missing.join("; ")),
        })
    }

    /// Returns the names of all guest tests, as the guest's test runner lists them.
    pub fn vm_tests(&self) -> Result<Vec<String>> {
        let runner = programs::test_runner(self.programs()?)?;
        let output = Command::new(runner)
            .arg("list")
            .output()
            .with_context(|| format!("cannot run {}", runner.display()))?;
        ensure!(
            output.status.success(),
            "{} list ended with {}",
            runner.display(),
            output.status
        );
        let names = String::from_utf8(output.stdout).context("a test's name is not UTF-8")?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Runs the guest tests `names`, which are all of `suite` whose names contain `filter`.
    pub fn vm(
        &mut self,
        suite: &VmSuite,
        names: &[String],
        filter: Option<&str>,
        summary: &mut Summary,
    ) -> Result<()> {
        let programs = self.programs()?.to_vec();
        let setup = self.setup(suite.kernel.or(self.kernel))?;
        let purpose = suite.prefix.trim_end_matches(':');
        let guest = Guest::new(setup, purpose, &programs)?.with_memory(suite.memory);
        vm_suite::run(&guest, suite, names, filter, summary)
    }

    /// Runs the quick bench, on the native kernel if no kernel is requested.
    pub fn bench(&mut self) -> Result<Outcome> {
        let programs = self.programs()?.to_vec();
        let guest = bench::guest(
            self.setup(Some(self.kernel.unwrap_or(NATIVE)))?,
            &programs,
            true,
        )?;
        let problems = bench::quick(&guest)?;
        Ok(match problems.is_empty() {
            true => Outcome::Ok,
            false => Outcome::Failed(problems.join("\n")),
        })
    }

    /// Runs the stress program with `load` on `kernel`.
    pub fn stress(&mut self, kernel: Option<&'a str>, load: Load) -> Result<Outcome> {
        let programs = self.programs()?.to_vec();
        let guest = Guest::new(self.setup(kernel)?, "stress", &programs)?;
        let run = stress::run(&guest, load)?;
        Ok(run.failure.map_or(Outcome::Ok, Outcome::Failed))
    }
}

fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}
