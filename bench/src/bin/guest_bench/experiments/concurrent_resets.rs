// SPDX-License-Identifier: GPL-2.0-only

//! Time of RESETs that many processes give at once.

use super::contents::hold_pages;
use crate::experiment::{timed, Experiment, Results};
use crate::helper_process::HelperProcess;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::Content;
use anyhow::Result;
use guest::mapping::PAGE;

/// Enough pages for a RESET that takes much longer than to wake up all processes.
const PAGES: usize = 100_000;

/// Experiments of this file.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "at-once::resets",
    quick: true,
    memory: (PAGES * (PAGE + 128)) as u64,
    run: resets,
}];

/// Measures the time from the first command to the last answer.
fn resets(results: &Results) -> Result<()> {
    let _module = memory_info::load()?;
    let _pages = hold_pages(Content::Different, PAGES)?;
    for count in [1, 4, 16, 64] {
        let mut callers: Vec<HelperProcess> = (0..count)
            .map(|_| {
                HelperProcess::start(c"bench-caller", MemoryInfo::open, |file, _| {
                    file.reset()?;
                    Ok(0)
                })
            })
            .collect::<Result<_>>()?;
        for round in 0..results.rounds {
            let single = timed(|| callers[0].request(0).map(drop))?;
            let all = timed(|| {
                callers.iter_mut().try_for_each(|caller| caller.send(0))?;
                for caller in &mut callers {
                    caller.receive()?;
                }
                Ok(())
            })?;
            results.time(round, &format!("one of {count}"), single)?;
            results.time(round, &format!("{count} at once"), all)?;
        }
    }
    Ok(())
}
