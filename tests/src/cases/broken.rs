// SPDX-License-Identifier: GPL-2.0-only

//! Deliberately broken tests: the runner must report each of them as it deserves.

use crate::case::{skip, Case};
use crate::helper::Helper;
use anyhow::{bail, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::time::Duration;

pub const CASES: &[Case] = &[
    Case::new("broken::passes", || Ok(())),
    Case::new("broken::fails", || bail!("expected one thing, got another")),
    Case::new("broken::panics", || panic!("out of its mind")),
    Case::new("broken::skips", || skip("the machine lacks a thing")),
    Case::slow("broken::hangs", 1, || loop {
        std::thread::park();
    }),
    Case::new("broken::is_killed", || {
        kill(Pid::this(), Signal::SIGKILL)?;
        Ok(())
    }),
    Case::new("broken::worker_cannot_start", || {
        Helper::worker("worker", "no-such-shape", None).map(drop)
    }),
    Case::new("broken::worker_dies", worker_dies),
    Case::new("broken::leaves_a_process", || {
        std::mem::forget(Helper::worker("left-behind", "plain", None)?);
        Ok(())
    }),
];

/// All that the test looks at is fine, but its worker is gone.
fn worker_dies() -> Result<()> {
    let worker = Helper::worker("worker", "plain", None)?;
    kill(Pid::from_raw(worker.pid()), Signal::SIGKILL)?;
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}
