//! The test suites: what each runs, and the summary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{anyhow, bail, ensure, Context, Result};

use crate::module::Job;
use crate::programs;
use crate::progress::step;
use crate::setup::{Guest, Setup, Workspace};
use crate::vm_suite;

/// What came of a test.
pub enum Outcome {
    /// It passed.
    Ok,
    /// It failed; the reason was printed or is here.
    Failed(String),
    /// It did not run, for this reason.
    Skipped(String),
}

/// Counts outcomes and prints them as they come.
#[derive(Default)]
pub struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Summary {
    /// Prints and counts one outcome.
    pub fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Ok => {
                self.passed += 1;
                println!("test {name} ... ok");
            }
            Outcome::Failed(why) => {
                self.failed += 1;
                println!("test {name} ... FAILED");
                for line in why.lines() {
                    println!("    {line}");
                }
            }
            Outcome::Skipped(why) => {
                self.skipped += 1;
                println!("test {name} ... skipped: {why}");
            }
        }
    }
}

/// A suite that is a test of its own; the VM tests come after these, each under its own name.
struct Suite {
    name: &'static str,
    run: fn(&mut Session) -> Result<Outcome>,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        run: |session| session.fmt(),
    },
    Suite {
        name: "clippy-host",
        run: |session| session.clippy_host(),
    },
    Suite {
        name: "host",
        run: |session| session.host(),
    },
    Suite {
        name: "loom",
        run: |session| session.loom(),
    },
    Suite {
        name: "miri",
        run: |session| session.miri(),
    },
    Suite {
        name: "clippy-kernel",
        run: |session| session.clippy_kernel(),
    },
    Suite {
        name: "build",
        run: |session| session.build(),
    },
];

/// Runs (or, with `list`, prints) the tests whose names contain `filter`; returns whether none failed.
pub fn run(filter: Option<&str>, list: bool, kernel: Option<&str>) -> Result<bool> {
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let workspace = Workspace::open()?;
    let mut session = Session {
        workspace: &workspace,
        kernel,
        setup: None,
    };
    let suites: Vec<_> = SUITES.iter().filter(|suite| wanted(suite.name)).collect();
    let vm_tests = session.vm_tests().map(|names| {
        let names = names.into_iter();
        names.filter(|name| wanted(name)).collect::<Vec<_>>()
    });
    if list {
        for suite in suites {
            println!("{}", suite.name);
        }
        for name in vm_tests? {
            println!("{name}");
        }
        return Ok(true);
    }
    if let (true, Ok([]), Some(filter)) = (suites.is_empty(), vm_tests.as_deref(), filter) {
        bail!("no test's name contains \"{filter}\": `cargo xtask test --list` prints the names");
    }
    let mut summary = Summary::default();
    for suite in suites {
        let outcome =
            (suite.run)(&mut session).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        summary.add(suite.name, outcome);
    }
    let in_vm = match vm_tests {
        Ok(names) if names.is_empty() => Ok(()),
        Ok(names) => session.vm(&names, filter, &mut summary),
        Err(error) => Err(error),
    };
    if let Err(error) = in_vm {
        summary.add("vm", Outcome::Failed(format!("{error:#}")));
    }
    let Summary {
        passed,
        failed,
        skipped,
    } = summary;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}

/// One run of the tests: what they share, set up when the first of them needs it.
struct Session<'a> {
    workspace: &'a Workspace,
    kernel: Option<&'a str>,
    setup: Option<Result<Setup<'a>, String>>,
}

impl<'a> Session<'a> {
    fn setup(&mut self) -> Result<&Setup<'a>> {
        let (workspace, kernel) = (self.workspace, self.kernel);
        let new = || Setup::new(workspace, kernel).map_err(|error| format!("{error:#}"));
        let setup = self.setup.get_or_insert_with(new);
        setup.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Runs each command, logging under `name`; none may fail.
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

    fn fmt(&mut self) -> Result<Outcome> {
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

    fn clippy_host(&mut self) -> Result<Outcome> {
        let clippy = |packages: &[&str]| {
            let mut command = self.cargo(&["clippy"]);
            command
                .args(packages)
                .args(["--all-targets", "--", "-Dwarnings"]);
            command
        };
        // Apart, since `model` asks for another build of the sources that it shares with the rest.
        self.pass(
            "clippy-host",
            &mut [clippy(&[]), clippy(&["--package", "model"])],
        )
    }

    fn host(&mut self) -> Result<Outcome> {
        self.pass("host", &mut [self.cargo(&["test"])])
    }

    fn loom(&mut self) -> Result<Outcome> {
        self.pass(
            "loom",
            &mut [self.cargo(&["test", "--release", "--package", "model"])],
        )
    }

    fn miri(&mut self) -> Result<Outcome> {
        let toolchains: [&[&str]; 2] = [&["miri"], &["+nightly", "miri"]];
        for toolchain in toolchains {
            let miri = || {
                // By name, since only rustup's cargo knows of other toolchains, and it must not fetch one now.
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
                    .env("MIRIFLAGS", "-Zmiri-disable-isolation")
                    .env("PROPTEST_CASES", "4");
                return self.pass("miri", &mut [test]);
            }
        }
        Ok(Outcome::Skipped(
            "no installed toolchain has cargo miri (it comes with nightly)".to_owned(),
        ))
    }

    fn clippy_kernel(&mut self) -> Result<Outcome> {
        self.setup()?.make(Job::Clippy)?;
        Ok(Outcome::Ok)
    }

    fn build(&mut self) -> Result<Outcome> {
        self.setup()?.make(Job::Build)?;
        Ok(Outcome::Ok)
    }

    /// The names of all VM tests, as the guest's test runner lists them.
    fn vm_tests(&self) -> Result<Vec<String>> {
        let programs = programs::build(self.workspace)?;
        let runner = programs::test_runner(&programs)?;
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
        Ok(names
            .lines()
            .map(|name| format!("{}{name}", vm_suite::PREFIX))
            .collect())
    }

    fn vm(&mut self, names: &[String], filter: Option<&str>, summary: &mut Summary) -> Result<()> {
        let programs = programs::build(self.workspace)?;
        let guest = Guest::new(self.setup()?, &programs)?;
        vm_suite::run(&guest, names, filter, summary)
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
