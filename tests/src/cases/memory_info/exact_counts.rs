// SPDX-License-Identifier: GPL-2.0-only

//! The counts are exact while the kernel ages, moves, merges or collapses the pages that are counted.
//!
//! The process has read-only pages of known contents and no others, and they are mapped all the time. None of what the
//! kernel does to them changes a content. So each RESET must find the same counts.

use crate::case::{cases, check_eq, skip};
use crate::helper::repeater::Repeater;
use crate::helper::Helper;
use crate::kernel::memory::vmstat;
use crate::kernel::page_aging::PageAging;
use crate::kernel::setting::Setting;
use crate::memory_info;
use crate::memory_info::oracle;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Context, Result};
use guest::child::errno_of;
use guest::classes::Classes;
use guest::mapping::{has_transparent_huge_pages, Mapping, PAGE, RW};
use nix::errno::Errno;
use nix::sys::mman::MmapAdvise;
use std::path::Path;
use std::time::{Duration, Instant};

cases! {
    beside_aging (120 s),
    beside_compaction (120 s),
    beside_merging (120 s),
    beside_collapsing (120 s),
}

/// Name of the process.
const COMM: &str = "counted";
/// Pages of two contents only, which are so many that a scan takes a while.
const TWINS: Classes = Classes {
    twins: 24_000,
    pairs: 0,
    unique: 0,
    first_unique: 1 << 20,
};
/// Pages of two contents, pairs of pages, and pages that must not be counted.
const MIXED: Classes = Classes {
    twins: 4000,
    pairs: 3000,
    unique: 2000,
    first_unique: 1 << 20,
};
/// Time for which RESETs are given.
const TIME: Duration = Duration::from_millis(1500);

/// Requires exact counts of a worker of `shape` with each of `kinds` of pages, while a process repeats `disturb`. The event
/// counter `sign` of the kernel shows that it does what the test is about; an empty name stands for none.
fn are_exact(
    shape: &str,
    kinds: &[Classes],
    sign: &str,
    mut disturb: impl FnMut() -> Result<(), Errno>,
) -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    for classes in kinds {
        let process = Helper::worker(COMM, shape, Some(&classes.to_text()))?;
        let lines = oracle::agree_on(&[COMM])?;
        let expected = (classes.may_be_shared(), classes.nb_group());
        let found = (lines[0].may_be_shared, lines[0].nb_group);
        check_eq("may_be_shared and nb_group at rest", found, expected)?;
        process.go_on()?;
        let _disturbance = Repeater::start("disturbance", &mut disturb)?;
        let signs = vmstat(sign);
        let end = Instant::now() + TIME;
        let mut resets = 0;
        while Instant::now() < end {
            memory_info::reset()?;
            resets += 1;
            let line = memory_info::line_of(COMM)?;
            let found = (line.may_be_shared, line.nb_group);
            let what = format!("may_be_shared and nb_group of RESET {resets}");
            check_eq(&what, found, expected)?;
        }
        ensure!(
            sign.is_empty() || vmstat(sign) > signs,
            "{sign} in /proc/vmstat did not grow: the kernel did nothing to the pages"
        );
    }
    Ok(())
}

/// The process reads a byte of each page table's memory again and again, so that the table is accessed, and the kernel
/// clears its accessed bit again and again.
fn beside_aging() -> Result<()> {
    let mut aging = match PageAging::open()? {
        Ok(aging) => aging,
        Err(why) => return skip(why),
    };
    are_exact("touched-classes", &[TWINS, MIXED], "", || aging.age())
}

/// Memory is fragmented again and again, and the kernel moves pages to where memory is in one piece.
fn beside_compaction() -> Result<()> {
    const COMPACT: &str = "/proc/sys/vm/compact_memory";
    const FRAGMENTED: usize = (48 << 20) / PAGE;
    if !Path::new(COMPACT).exists() {
        return skip("this kernel does not move pages to make free memory contiguous");
    }
    are_exact("classes", &[MIXED], "pgmigrate_success", || {
        let fragment = || -> Result<Mapping> {
            let mapping = Mapping::anonymous(FRAGMENTED, RW)?;
            mapping.advise_no_huge_pages()?;
            (0..FRAGMENTED).for_each(|page| mapping.touch_for_writing(page));
            for page in (0..FRAGMENTED).step_by(8) {
                mapping
                    .part(page..page + 7)
                    .advise(MmapAdvise::MADV_DONTNEED)?;
            }
            Ok(mapping)
        };
        let _fragmented = fragment().map_err(|error| error.downcast().unwrap_or(Errno::EIO))?;
        std::fs::write(COMPACT, "1").map_err(errno_of)
    })
}

/// KSM merges the pages, and the process undoes that, again and again.
fn beside_merging() -> Result<()> {
    const RUN: &str = "/sys/kernel/mm/ksm/run";
    if !Path::new(RUN).exists() {
        return skip("this kernel does not have same-page merging");
    }
    let _pages = Setting::set("/sys/kernel/mm/ksm/pages_to_scan", "4000")?;
    let _sleep = Setting::set("/sys/kernel/mm/ksm/sleep_millisecs", "1")?;
    let _run = Setting::set(RUN, "1")?;
    are_exact("merged-classes", &[TWINS], "", rest)
}

/// The process has the kernel make huge pages of its pages, and splits them, again and again. khugepaged does the same as
/// often as it can.
fn beside_collapsing() -> Result<()> {
    if !has_transparent_huge_pages() {
        return skip("this kernel does not have transparent huge pages");
    }
    let khugepaged = "/sys/kernel/mm/transparent_hugepage/khugepaged";
    ensure!(
        Path::new(khugepaged).exists(),
        "{khugepaged} does not exist"
    );
    let _pages = Setting::set(
        "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan",
        "8192",
    )
    .context("cannot hurry khugepaged")?;
    let _sleep = Setting::set(
        "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
        "0",
    )?;
    let _wait = Setting::set(
        "/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs",
        "0",
    )?;
    are_exact("collapsed-classes", &[MIXED], "thp_collapse_alloc", rest)
}

/// Leaves all disturbance to the process whose pages are counted, and to the kernel.
fn rest() -> Result<(), Errno> {
    std::thread::sleep(Duration::from_millis(5));
    Ok(())
}
