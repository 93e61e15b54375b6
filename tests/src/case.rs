// SPDX-License-Identifier: GPL-2.0-only

//! A test: its name, its time limit, and how its process reports the outcome to the runner.

use crate::helper;
use anyhow::{anyhow, ensure, Context, Result};
use std::fmt::{self, Debug};
use std::panic::Location;
use std::process::ExitCode;
use std::time::Duration;

/// Exit status of a test's process that skipped the test. Automake and Meson use the same number.
pub const SKIPPED: i32 = 77;

/// Time limit of a test that does not state one. It is ample under emulation.
pub const USUAL_LIMIT: Duration = Duration::from_secs(60);

/// A test, which runs in a process of its own.
pub struct Case {
    path: &'static str,
    /// Wall-clock time after which the test is killed and counts as failed.
    pub limit: Duration,
    /// Function that performs the test.
    pub run: fn() -> Result<()>,
}

impl Case {
    /// Describes the test that `run` performs. `path` is the path of a name in a module below `cases`; see [`cases!`].
    pub const fn new(path: &'static str, limit: Duration, run: fn() -> Result<()>) -> Self {
        Self { path, limit, run }
    }

    /// Returns the name of the test: `<module>::<group>::<what must hold>`.
    pub fn name(&self) -> &'static str {
        self.path
            .split_once("::cases::")
            .map_or(self.path, |(_, name)| name)
    }
}

/// Defines `CASES`, the tests of a group, in the order in which they run.
///
/// The file in which this stands gives the group, and each entry a test. An entry is the name of a function that performs
/// the test. A time limit other than [`USUAL_LIMIT`] may follow in parentheses, and an expression after `=>`, which
/// replaces the function:
///
/// ```text
/// cases! {
///     zero_pages,
///     swapped_out (120 s),
///     holes => || agrees("holes", "").map(drop),
/// }
/// ```
macro_rules! cases {
    (@limit) => {
        $crate::case::USUAL_LIMIT
    };
    (@limit $seconds:literal) => {
        ::std::time::Duration::from_secs($seconds)
    };
    (@run $name:ident) => {
        $name
    };
    (@run $name:ident $run:expr) => {
        $run
    };
    ($($name:ident $(($seconds:literal s))? $(=> $run:expr)?),* $(,)?) => {
        pub const CASES: &[$crate::case::Case] = &[$(
            $crate::case::Case::new(
                concat!(module_path!(), "::", stringify!($name)),
                $crate::case::cases!(@limit $($seconds)?),
                $crate::case::cases!(@run $name $($run)?),
            ),
        )*];
    };
}
pub(crate) use cases;

/// Error that means that a test cannot run on this machine.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Returns the error that ends the test as skipped; `why` is shown to the user.
pub fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skip(why.into()).into())
}

/// Fails with both values and the caller's location unless they are equal; `what` names what was compared.
#[track_caller]
pub fn check_eq<T: PartialEq + Debug>(what: &str, actual: T, expected: T) -> Result<()> {
    let at = Location::caller();
    ensure!(
        actual == expected,
        "{what} ({at})\n  expected: {expected:?}\n  actual:   {actual:?}"
    );
    Ok(())
}

/// Fails like [`check_eq`] unless two texts are equal; bytes that are not printable ASCII are shown as escapes.
#[track_caller]
pub fn check_text(what: &str, actual: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) -> Result<()> {
    let (actual, expected, at) = (actual.as_ref(), expected.as_ref(), Location::caller());
    ensure!(
        actual == expected,
        "{what} ({at})\n  expected: \"{}\"\n  actual:   \"{}\"",
        expected.escape_ascii(),
        actual.escape_ascii()
    );
    Ok(())
}

/// Runs the test `name` in this process. Returns the exit status that [`crate::runner`] expects.
pub fn run_here(name: &str) -> Result<ExitCode> {
    let case = crate::cases::all()
        .chain(crate::cases::broken())
        .find(|case| case.name() == name)
        .with_context(|| {
            format!("no test has the name '{name}'; `guest-tests list` prints the names")
        })?;
    helper::adopt_orphans()?;
    let mut outcome = (case.run)();
    let ended_early = helper::ended_early();
    if outcome.is_ok() && !ended_early.is_empty() {
        outcome = Err(anyhow!("{}", ended_early.join("\n")).context("a helper process failed"));
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
