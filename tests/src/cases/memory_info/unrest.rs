// SPDX-License-Identifier: GPL-2.0-only

//! RESET while processes exit, execute programs, change their memory and rename themselves.

use crate::case::cases;
use crate::helper::{worker_command, Helper};
use crate::memory_info::oracle;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Result};
use std::time::{Duration, Instant};

cases! {
    churn_during_resets (180 s),
}

fn churn_during_resets() -> Result<()> {
    let _still = Helper::worker("still", "patterns", Some("1 1 2"))?;
    let _module = MEMORY_INFO.load()?;
    let before = oracle::agree_on(&["still"])?;
    let start = |comm: String, shape, seconds| {
        Helper::start(
            &mut worker_command(&comm, shape, Some(seconds))?,
            format!("{shape} {comm}"),
        )
    };
    let churns = (0..6).map(|index| start(format!("churn-{index}"), "churn", "10"));
    let storms = (0..2).map(|index| start(format!("storm-{index}"), "memory-info-storm", "8"));
    let workers = churns.chain(storms).collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + Duration::from_secs(120);
    workers
        .into_iter()
        .try_for_each(|worker| worker.finish(deadline))?;
    let after = oracle::agree_on(&["still"])?;
    ensure!(
        before == after,
        "the line of a stopped process changed\n  before: {before:?}\n  after:  {after:?}"
    );
    Ok(())
}
