// SPDX-License-Identifier: GPL-2.0-only

//! The schedule `stack`: a recursive function.

use crate::steps::Steps;
use anyhow::{bail, ensure, Result};
use std::hint::black_box;

/// Options of the schedule.
#[derive(clap::Args)]
pub struct Stack {
    /// Size of the local variables of each call in bytes: 256, 1024 or 4096
    #[arg(long, default_value_t = 1024)]
    frame: usize,
    /// Depth of the recursion
    #[arg(long, default_value_t = 1000)]
    depth: usize,
    /// Number of steps for calling, and for returning
    #[arg(long, default_value_t = 25)]
    steps: usize,
}

impl Stack {
    /// Runs the schedule `stack`.
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        ensure!(
            self.steps > 0 && self.depth >= self.steps,
            "--depth {} cannot be divided into {} steps",
            self.depth,
            self.steps
        );
        steps.step("call", 0)?;
        match self.frame {
            256 => self.call::<256>(1, steps),
            1024 => self.call::<1024>(1, steps),
            4096 => self.call::<4096>(1, steps),
            other => bail!("--frame is {other}, but must be 256, 1024 or 4096"),
        }?;
        steps.step("return", 0)
    }

    #[inline(never)]
    fn call<const FRAME: usize>(&self, depth: usize, steps: &mut Steps) -> Result<()> {
        let mut frame = [depth as u8; FRAME];
        black_box(&mut frame);
        let is_step = depth % (self.depth / self.steps) == 0;
        if is_step {
            steps.step("call", depth)?;
        }
        if depth < self.depth {
            self.call::<FRAME>(depth + 1, steps)?;
        }
        if is_step {
            steps.step("return", depth)?;
        }
        // Uses the frame after the call, so that the compiler cannot make it a tail call.
        black_box(&mut frame);
        Ok(())
    }
}
