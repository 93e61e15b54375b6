// SPDX-License-Identifier: GPL-2.0-only

//! One test: its name, its time limit, and how its process tells the runner what came out.

use crate::{cases, helper};
use anyhow::{anyhow, ensure, Context, Result};
use std::fmt::{self, Debug};
use std::process::ExitCode;
use std::time::Duration;

/// Exit status of a test's process that skipped itself; automake's and Meson's number for it.
pub const SKIPPED: i32 = 77;

/// A test.
pub struct Case {
    /// `group::what_must_hold`.
    pub name: &'static str,
    /// Wall-clock time after which it is killed and counts as failed.
    pub limit: Duration,
    /// The test itself; it runs in a process of its own.
    pub run: fn() -> Result<()>,
}

impl Case {
    /// A test with the usual limit, ample under emulation.
    pub const fn new(name: &'static str, run: fn() -> Result<()>) -> Self {
        Self::slow(name, 60, run)
    }

    /// A test that may take `seconds`.
    pub const fn slow(name: &'static str, seconds: u64, run: fn() -> Result<()>) -> Self {
        Self {
            name,
            limit: Duration::from_secs(seconds),
            run,
        }
    }
}

/// Why a test cannot be run on this machine.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends the test as skipped because of `why`.
pub fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skip(why.into()).into())
}

/// Fails with both values unless they are equal; `what` says what was compared.
pub fn check_eq<T: PartialEq + Debug>(what: &str, actual: T, expected: T) -> Result<()> {
    ensure!(
        actual == expected,
        "{what}\n  expected: {expected:?}\n  actual:   {actual:?}"
    );
    Ok(())
}

/// [`check_eq`] for text that is bytes, shown readably.
pub fn check_text(what: &str, actual: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) -> Result<()> {
    let (actual, expected) = (actual.as_ref(), expected.as_ref());
    ensure!(
        actual == expected,
        "{what}\n  expected: \"{}\"\n  actual:   \"{}\"",
        expected.escape_ascii(),
        actual.escape_ascii()
    );
    Ok(())
}

/// Runs the test `name` in this process; the exit status is for [`crate::runner`].
pub fn run_here(name: &str) -> Result<ExitCode> {
    let case = cases::all()
        .chain(cases::broken())
        .find(|case| case.name == name)
        .with_context(|| {
            format!("no test is named '{name}'; `guest-tests list` prints the names")
        })?;
    helper::adopt_orphans()?;
    let mut outcome = (case.run)();
    let fallen = helper::fallen();
    if outcome.is_ok() && !fallen.is_empty() {
        outcome = Err(anyhow!("{}", fallen.join("\n")).context("a helper process failed"));
    }
    Ok(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<Skip>() {
            Some(why) => {
                println!("{why}");
                ExitCode::from(SKIPPED as u8)
            }
            None => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
    })
}
