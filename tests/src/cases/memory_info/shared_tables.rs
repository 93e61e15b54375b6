// SPDX-License-Identifier: GPL-2.0-only

//! Page tables of hugetlb mappings that processes share, and stop to share during a scan.
//!
//! All processes that take part run on one CPU, and those that change the tables run before the scan whenever they can. So
//! the scan is interrupted wherever it happens to be, and goes on when the tables belong to another process.

use crate::case::{cases, check_eq, skip};
use crate::helper::repeater::Repeater;
use crate::kernel::memory::meminfo;
use crate::kernel::setting::Setting;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Result};
use fastrand::Rng;
use guest::mapping::secret_memory;
use guest::scheduling::{bind_to_cpu, run_before_others};
use guest::shared_tables::{Foreign, SharedTables, Unsharing};
use nix::errno::Errno;
use std::path::Path;
use std::time::{Duration, Instant};

cases! {
    without_a_huge_page (120 s),
    with_huge_pages (120 s),
    secret_pages (120 s),
}

/// Name of the process that is scanned.
const COMM: &str = "sharer";
/// Number of tables that are shared.
const TABLES: usize = 64;
/// Time for which RESETs are given.
const TIME: Duration = Duration::from_millis(2500);

fn without_a_huge_page() -> Result<()> {
    // The process has no read-only page, and there is no page that its hugetlb mapping could have.
    beside_unsharing(Foreign::Anonymous, Some((0, 0)))
}

fn with_huge_pages() -> Result<()> {
    const POOL: &str = "/proc/sys/vm/nr_hugepages";
    if !Path::new(POOL).exists() {
        return skip("this kernel does not have hugetlb pages");
    }
    let _pool = Setting::set(POOL, "4")?;
    if meminfo("HugePages_Total:")? == 0 {
        return skip("the machine cannot reserve a huge page");
    }
    beside_unsharing(Foreign::Anonymous, None)
}

fn secret_pages() -> Result<()> {
    if let Err(error) = secret_memory() {
        return skip(format!("memfd_secret(2) failed: {error}"));
    }
    beside_unsharing(Foreign::Secret, Some((0, 0)))
}

/// Gives RESETs, and requires these values of may_be_shared and nb_group of the process that has no foreign page.
fn beside_unsharing(foreign: Foreign, expected: Option<(u64, u64)>) -> Result<()> {
    if let Err(error) = SharedTables::map(1) {
        return match error.downcast_ref::<Errno>() {
            Some(errno) => skip(format!("this kernel does not have hugetlb files: {errno}")),
            None => Err(error),
        };
    }
    let _module = MEMORY_INFO.load_with("workers=1")?;
    bind_to_cpu(1)?;
    let mut tables = None;
    let mut rng = Rng::new();
    let changes = Repeater::start("process that shares page tables", || {
        let mut run = || -> Result<()> {
            let tables = match &tables {
                Some(tables) => tables,
                None => {
                    crate::shapes::rename(COMM.as_bytes())?;
                    run_before_others(1)?;
                    tables.insert(SharedTables::map(TABLES)?)
                }
            };
            let unsharing = match rng.u8(..3) {
                0 => Unsharing::PunchHole,
                _ => Unsharing::Discard,
            };
            let pause = || std::thread::sleep(Duration::from_micros(rng.u64(..2500)));
            tables.round(c"other", unsharing, foreign, pause)
        };
        run().map_err(|error| {
            eprintln!("{error:#}");
            Errno::EIO
        })
    })?;
    changes.wait_for(3)?;
    let end = Instant::now() + TIME;
    let mut checked = 0;
    while Instant::now() < end {
        memory_info::reset()?;
        let line = memory_info::line_of(COMM)?;
        line.check()?;
        // A child has the name of its parent until it takes its own.
        let (Some(expected), [_]) = (expected, &line.pids[..]) else {
            continue;
        };
        checked += 1;
        let found = (line.may_be_shared, line.nb_group);
        check_eq("may_be_shared and nb_group", found, expected)?;
    }
    ensure!(
        checked > 0 || expected.is_none(),
        "no line could be checked"
    );
    Ok(())
}
