// SPDX-License-Identifier: GPL-2.0-only

//! RESET's time for a page, by what the pages hold.

use crate::experiment::{timed, Experiment, Log};
use crate::holder::Holder;
use crate::ksm;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, Mapping, PAGE};
use crate::read_once::ReadOnce;
use crate::user_scan::Found;
use anyhow::{ensure, Context, Result};
use nix::sys::mman::MmapAdvise;
use std::ffi::CStr;

const FEW: usize = 10_000;
const MANY: usize = 250_000;
/// Pages of one process: each may be a mapping of its own to the host of User-mode Linux, which allows only so many.
const PAGES_A_PROCESS: usize = 25_000;

/// What processes with pages are called.
const NAME: &CStr = c"bench-pages";

const MERGEABLE: u8 = b'm';
const UNMERGEABLE: u8 = b'u';

macro_rules! experiment {
    ($name:literal, $content:ident, $pages:ident, $quick:literal, $ksm:literal) => {
        Experiment {
            name: concat!("contents::", $name),
            quick: $quick,
            // KSM's own records are 64 bytes a page and more.
            memory: ($pages * (PAGE + 512)) as u64,
            run: |log| measure(log, Content::$content, $pages, $ksm),
        }
    };
}

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    experiment!("identical-10k", Identical, FEW, true, true),
    experiment!("different-10k", Different, FEW, true, true),
    experiment!("half-10k", Half, FEW, false, true),
    experiment!("last-byte-10k", LastByte, FEW, true, true),
    experiment!("last-word-10k", LastWord, FEW, false, false),
    experiment!("identical-250k", Identical, MANY, false, true),
    experiment!("different-250k", Different, MANY, false, true),
    experiment!("half-250k", Half, MANY, false, true),
    experiment!("last-byte-250k", LastByte, MANY, false, true),
    experiment!("last-word-250k", LastWord, MANY, false, false),
    experiment!("middle-250k", Middle, MANY, false, false),
    experiment!("one-byte-250k", OneByte, MANY, false, false),
    experiment!("one-line-250k", OneLine, MANY, false, false),
];

/// Has processes of one name hold `pages` read-only pages.
pub fn hold(content: Content, pages: usize) -> Result<Vec<Holder>> {
    let mut holders = Vec::new();
    for first in (0..pages).step_by(PAGES_A_PROCESS) {
        let pages = PAGES_A_PROCESS.min(pages - first);
        holders.push(Holder::start(
            NAME,
            || Mapping::filled(content, pages, first),
            |mapping, command| {
                mapping.advise(match command {
                    MERGEABLE => MmapAdvise::MADV_MERGEABLE,
                    _ => MmapAdvise::MADV_UNMERGEABLE,
                })?;
                Ok(0)
            },
        )?);
    }
    Ok(holders)
}

fn measure(log: &Log, content: Content, pages: usize, with_ksm: bool) -> Result<()> {
    let _module = memory_info::load()?;
    let mut holders = hold(content, pages)?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    // The first time, caches are cold and memory is not where it will be.
    memory_info.reset()?;
    read_once.pass()?;
    let read_only = read_once.pages()?;
    for round in 0..log.rounds {
        let pass = timed(|| read_once.pass())?;
        let reset = timed(|| memory_info.reset())?;
        log.time_each(round, "pass", pass, read_only)?;
        log.time_each(round, "reset", reset, read_only)?;
        let mut found = Found::default();
        let scan = timed(|| {
            holders
                .iter()
                .try_for_each(|holder| found.scan(holder.pid()))
        })?;
        log.time_each(round, "user space", scan, found.pages)?;
        check(&mut memory_info, &found)?;
        if with_ksm && ksm::exists() {
            for holder in &mut holders {
                holder.ask(MERGEABLE)?;
            }
            let speed = ksm::scan(pages as u64)?;
            for holder in &mut holders {
                holder.ask(UNMERGEABLE)?;
            }
            log.time_each(round, "KSM", speed.time, speed.pages)?;
        }
    }
    Ok(())
}

/// Requires that the subject found what the scanner in user space did: a fast wrong answer is worth nothing.
fn check(memory_info: &mut MemoryInfo, found: &Found) -> Result<()> {
    let mut answer = Vec::new();
    memory_info.ask(&format!("FILTER|{}", NAME.to_str()?), &mut answer)?;
    let answer = String::from_utf8(answer).context("the name is UTF-8")?;
    let field = format!("may_be_shared: {},", found.may_be_shared());
    ensure!(
        answer.contains(&field),
        "a scanner in user space found {field} the answer is {answer}"
    );
    Ok(())
}
