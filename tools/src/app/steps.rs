// SPDX-License-Identifier: GPL-2.0-only

//! The steps of a schedule, and the waiting between them.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// Says where the schedule is, and waits.
pub struct Steps {
    pause: Option<Duration>,
    start: Instant,
}

impl Steps {
    /// Waits for `pause`, or for input.
    pub fn new(pause: Option<Duration>) -> Self {
        Self {
            pause,
            start: Instant::now(),
        }
    }

    /// Says that `phase` is so far, and waits.
    pub fn step(&mut self, phase: &str, how_far: impl Display) -> Result<()> {
        println!("{phase} {how_far}");
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

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
