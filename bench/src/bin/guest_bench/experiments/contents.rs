// SPDX-License-Identifier: GPL-2.0-only

//! Time of RESET per page, depending on the contents of the pages.

use crate::experiment::{timed, Experiment, Results};
use crate::helper_process::HelperProcess;
use crate::ksm;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{map_filled, Content};
use crate::read_once::ReadOnce;
use crate::user_scan::Found;
use anyhow::{ensure, Context, Result};
use guest::mapping::PAGE;
use nix::sys::mman::MmapAdvise;
use std::ffi::CStr;

const FEW: usize = 10_000;
const MANY: usize = 250_000;
/// Largest number of pages of one process: under User-mode Linux, each page may be a mapping of its own on the host,
/// which limits their number.
const PAGES_A_PROCESS: usize = 25_000;

/// Name of the processes that hold pages.
const NAME: &CStr = c"bench-pages";

// Requests to a process that holds pages.
const MERGEABLE: u8 = b'm';
const UNMERGEABLE: u8 = b'u';

macro_rules! experiment {
    ($name:literal, $content:ident, $pages:ident, $quick:literal, $ksm:literal) => {
        Experiment {
            name: concat!("contents::", $name),
            quick: $quick,
            // KSM needs 64 bytes and more per page for its records.
            memory: ($pages * (PAGE + 512)) as u64,
            run: |results| measure(results, Content::$content, $pages, $ksm),
        }
    };
}

/// Experiments of this file.
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

/// Starts processes of the same name that together hold `pages` read-only pages.
pub fn hold_pages(content: Content, pages: usize) -> Result<Vec<HelperProcess>> {
    let mut processes = Vec::new();
    for first in (0..pages).step_by(PAGES_A_PROCESS) {
        let pages = PAGES_A_PROCESS.min(pages - first);
        processes.push(HelperProcess::start(
            NAME,
            || map_filled(content, pages, first),
            |mapping, request| {
                mapping.advise(match request {
                    MERGEABLE => MmapAdvise::MADV_MERGEABLE,
                    _ => MmapAdvise::MADV_UNMERGEABLE,
                })?;
                Ok(0)
            },
        )?);
    }
    Ok(processes)
}

fn measure(results: &Results, content: Content, pages: usize, with_ksm: bool) -> Result<()> {
    let _module = memory_info::load()?;
    let mut processes = hold_pages(content, pages)?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    // The first run, with cold caches and before the memory of the module is allocated, is not measured.
    memory_info.reset()?;
    read_once.pass()?;
    let read_only = read_once.pages()?;
    for round in 0..results.rounds {
        let pass = timed(|| read_once.pass())?;
        let reset = timed(|| memory_info.reset())?;
        results.time_each(round, "pass", pass, read_only)?;
        results.time_each(round, "reset", reset, read_only)?;
        let mut found = Found::default();
        let scan = timed(|| {
            processes
                .iter()
                .try_for_each(|process| found.scan(process.pid()))
        })?;
        results.time_each(round, "user space", scan, found.pages)?;
        check(&mut memory_info, &found)?;
        if with_ksm && ksm::exists() {
            for process in &mut processes {
                process.request(MERGEABLE)?;
            }
            let speed = ksm::scan(pages as u64)?;
            for process in &mut processes {
                process.request(UNMERGEABLE)?;
            }
            results.time_each(round, "KSM", speed.time, speed.pages)?;
        }
    }
    Ok(())
}

/// Checks that the module and the scan in user space found the same number of identical pages.
fn check(memory_info: &mut MemoryInfo, found: &Found) -> Result<()> {
    let mut answer = Vec::new();
    memory_info.ask(&format!("FILTER|{}", NAME.to_str()?), &mut answer)?;
    let answer = String::from_utf8(answer).context("the name is UTF-8")?;
    let field = format!("may_be_shared: {},", found.may_be_shared());
    ensure!(
        answer.contains(&field),
        "the scan in user space found {field} but the answer of the module is {answer}"
    );
    Ok(())
}
