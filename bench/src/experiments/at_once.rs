// SPDX-License-Identifier: GPL-2.0-only

//! RESETs of many at once.

use super::contents::hold;
use crate::experiment::{timed, Experiment, Log};
use crate::holder::Holder;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, PAGE};
use anyhow::Result;

/// Enough for a RESET that takes much longer than to wake everybody up.
const PAGES: usize = 100_000;

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "at-once::resets",
    quick: true,
    memory: (PAGES * (PAGE + 128)) as u64,
    run: resets,
}];

/// From the first one's command to the last one's answer.
fn resets(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let _pages = hold(Content::Different, PAGES)?;
    for at_once in [1, 4, 16, 64] {
        let mut askers: Vec<Holder> = (0..at_once)
            .map(|_| {
                Holder::start(c"bench-asker", MemoryInfo::open, |file, _| {
                    file.reset()?;
                    Ok(0)
                })
            })
            .collect::<Result<_>>()?;
        for round in 0..log.rounds {
            let single = timed(|| askers[0].ask(0).map(drop))?;
            let all = timed(|| {
                askers.iter_mut().try_for_each(|asker| asker.tell(0))?;
                for asker in &mut askers {
                    asker.wait_for_answer()?;
                }
                Ok(())
            })?;
            log.time(round, &format!("one of {at_once}"), single)?;
            log.time(round, &format!("{at_once} at once"), all)?;
        }
    }
    Ok(())
}
