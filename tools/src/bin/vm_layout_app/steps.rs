// SPDX-License-Identifier: GPL-2.0-only

//! Steps of a schedule.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// Prints the progress of a schedule, and waits before each step.
pub struct Steps {
    pause: Option<Duration>,
    start: Instant,
}

impl Steps {
    /// Makes steps that wait for `pause` or, without it, for a line of standard input.
    pub fn new(pause: Option<Duration>) -> Self {
        Self {
            pause,
            start: Instant::now(),
        }
    }

    /// Prints the phase and the progress, and waits.
    pub fn step(&mut self, phase: &str, progress: impl Display) -> Result<()> {
        println!("{phase} {progress}");
        std::io::stdout().flush()?;
        match self.pause {
            Some(pause) => std::thread::sleep(pause),
            None => {
                let mut line = String::new();
                std::io::stdin()
                    .lock()
                    .read_line(&mut line)
                    .context("cannot read standard input")?;
            }
        }
        Ok(())
    }

    /// Returns the seconds since the start of the schedule.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
