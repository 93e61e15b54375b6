// SPDX-License-Identifier: GPL-2.0-only

//! Read-only pages of which it is known by construction how many have the same content.

use anyhow::{Context, Result};
use guest::classes::Classes;
use guest::mapping::{HUGE, PAGE};
use linux_raw_sys::general::MADV_COLLAPSE;
use nix::sys::mman::MmapAdvise;
use nix::sys::signal::{raise, Signal};
use std::convert::Infallible;
use std::time::Duration;

/// Makes the pages that `argument` describes.
pub fn still(argument: &str) -> Result<()> {
    argument.parse::<Classes>()?.map().map(drop)
}

/// Makes the pages. When it is continued, the process lets KSM merge the pages and undoes that again and again.
pub fn merged(argument: &str) -> Result<()> {
    let area = argument.parse::<Classes>()?.map()?;
    go_on_with(|| {
        area.advise(MmapAdvise::MADV_MERGEABLE)?;
        std::thread::sleep(Duration::from_millis(150));
        area.advise(MmapAdvise::MADV_UNMERGEABLE)
    })
    .map(drop)
}

/// Makes the pages. When it is continued, the process reads a byte of each 2 MiB again and again.
pub fn touched(argument: &str) -> Result<()> {
    let area = argument.parse::<Classes>()?.map()?;
    go_on_with(|| {
        for page in (0..area.pages()).step_by(HUGE / PAGE) {
            area.part(page..page + 1).touch();
        }
        std::thread::sleep(Duration::from_micros(300));
        Ok(())
    })
    .map(drop)
}

/// Makes the pages. When it is continued, the process makes huge pages of them and splits these again and again.
pub fn collapsed(argument: &str) -> Result<()> {
    let area = argument.parse::<Classes>()?.map()?;
    go_on_with(|| {
        area.advise(MmapAdvise::MADV_HUGEPAGE)?;
        for start in (0..area.pages()).step_by(HUGE / PAGE) {
            let end = (start + HUGE / PAGE).min(area.pages());
            // Fails where huge pages cannot be had at the moment.
            let _ = area.part(start..end).advise_by_number(MADV_COLLAPSE);
        }
        // The end of an area that is not huge is in the middle of each huge page.
        for start in (0..area.pages()).step_by(HUGE / PAGE) {
            let middle = start + HUGE / PAGE / 2;
            if middle < area.pages() {
                area.part(middle..middle + 1)
                    .advise(MmapAdvise::MADV_NOHUGEPAGE)?;
            }
        }
        Ok(())
    })
    .map(drop)
}

/// Stops this process; when it is continued, repeats `action`.
fn go_on_with(mut action: impl FnMut() -> Result<()>) -> Result<Infallible> {
    raise(Signal::SIGSTOP).context("cannot stop this process")?;
    loop {
        action()?;
    }
}
