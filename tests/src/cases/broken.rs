// SPDX-License-Identifier: GPL-2.0-only

//! Tests that are broken on purpose: the runner must report the right outcome of each.

use crate::case::{cases, check_eq, skip};
use crate::helper::Helper;
use anyhow::{bail, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::time::Duration;

cases! {
    passes => || Ok(()),
    fails => || bail!("expected one thing, got another"),
    differs => || check_eq("a number", 1, 2),
    panics => || panic!("an unexpected state"),
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

/// The test itself succeeds, but its worker has ended.
fn worker_dies() -> Result<()> {
    let worker = Helper::worker("worker", "plain", None)?;
    kill(Pid::from_raw(worker.pid()), Signal::SIGKILL)?;
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}
