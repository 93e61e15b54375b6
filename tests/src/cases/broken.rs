// SPDX-License-Identifier: GPL-2.0-only

//! Deliberately broken tests: the runner must report each of them as it deserves.

use crate::case::{cases, skip};
use crate::helper::Helper;
use anyhow::{bail, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::time::Duration;

cases! {
    passes => || Ok(()),
    fails => || bail!("expected one thing, got another"),
    panics => || panic!("out of its mind"),
    skips => || skip("the machine lacks a thing"),
    hangs (1 s) => || loop {
        std::thread::park();
    },
    is_killed => || {
        kill(Pid::this(), Signal::SIGKILL)?;
        Ok(())
    },
    worker_cannot_start => || Helper::worker("worker", "no-such-shape", None).map(drop),
    worker_dies,
    leaves_a_process => || {
        std::mem::forget(Helper::worker("left-behind", "plain", None)?);
        Ok(())
    },
}

/// All that the test looks at is fine, but its worker is gone.
fn worker_dies() -> Result<()> {
    let worker = Helper::worker("worker", "plain", None)?;
    kill(Pid::from_raw(worker.pid()), Signal::SIGKILL)?;
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}
