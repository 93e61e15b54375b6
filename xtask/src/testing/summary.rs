// SPDX-License-Identifier: GPL-2.0-only

//! What came of the tests, printed as it comes and counted.

use std::time::Duration;

use crate::kernels::results::Counts;

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
    counts: Counts,
    times: Vec<(String, Duration)>,
}

impl Summary {
    /// Notes how long the suite `name` took.
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

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Prints how long each suite took, then the counts; returns whether nothing failed.
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
