// SPDX-License-Identifier: GPL-2.0-only

//! The outcomes of tests, which are printed at once and counted.

use std::time::Duration;

use crate::kernels::results::Counts;

/// The outcome of a test.
pub enum Outcome {
    /// The test ran and passed.
    Ok,
    /// The test failed; the reason is this text, or was printed before if it is empty.
    Failed(String),
    /// The test did not run, for this reason.
    Skipped(String),
}

/// Prints and counts the outcomes of a run.
#[derive(Default)]
pub struct Summary {
    counts: Counts,
    times: Vec<(String, Duration)>,
}

impl Summary {
    /// Records the time that the suite `name` took.
    pub fn took(&mut self, name: &str, time: Duration) {
        self.times.push((name.to_owned(), time));
    }

    /// Prints and counts one outcome.
    pub fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Ok => {
                self.counts.passed += 1;
                println!("test {name} ... ok");
            }
            Outcome::Failed(why) => {
                self.counts.failed += 1;
                println!("test {name} ... FAILED");
                for line in why.lines() {
                    println!("    {line}");
                }
            }
            Outcome::Skipped(why) => {
                self.counts.skipped += 1;
                println!("test {name} ... skipped: {why}");
            }
        }
    }

    /// Returns the numbers of tests by outcome.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Prints how long each suite took, then the counts; returns true if no test failed.
    pub fn print(&self) -> bool {
        let Counts {
            passed,
            failed,
            skipped,
        } = self.counts;
        for (name, time) in &self.times {
            println!("{:>8.1} s  {name}", time.as_secs_f32());
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        failed == 0
    }
}

impl From<anyhow::Error> for Outcome {
    fn from(error: anyhow::Error) -> Self {
        Outcome::Failed(format!("{error:#}"))
    }
}
