// SPDX-License-Identifier: GPL-2.0-only

//! Processes with memory of every kind, compared with the oracle.

use crate::case::{cases, check_eq, skip};
use crate::helper::crowd;
use crate::helper::Helper;
use crate::kernel::setting::Setting;
use crate::kernel::swap::SwapSpace;
use crate::memory_info;
use crate::memory_info::oracle::{self, Line};
use crate::module::MEMORY_INFO;
use crate::shapes;
use anyhow::{ensure, Context, Result};
use guest::listing;
use guest::mapping::{has_transparent_huge_pages, secret_memory};
use std::path::Path;
use std::time::{Duration, Instant};

cases! {
    identical_pages_of_one_process,
    zero_pages,
    protections => || agrees("protections", "").map(drop),
    holes => || agrees("holes", "").map(drop),
    thousands_of_areas => || agrees("many-areas", "4000").map(drop),
    shared => || agrees("shared", "").map(drop),
    advised_and_locked => || agrees("advised", "").map(drop),
    secret,
    device,
    inserted_by_a_driver,
    huge => || huge("huge", 1024),
    huge_partly_read_only => || huge("huge-partial", 800),
    huge_zero_page => || huge("huge-zero", 0),
    hugetlb,
    swapped_out (120 s),
    merged_by_ksm (120 s),
    reserved_terabytes (120 s),
}

/// Requires that the module and the oracle agree on a set of one worker of a shape and on a set of two. Returns the line of
/// the first.
pub fn agrees(shape: &str, argument: &str) -> Result<Line> {
    let argument = (!argument.is_empty()).then_some(argument);
    let _one = Helper::worker("one", shape, argument)?;
    let _pair = [
        Helper::worker("pair", shape, argument)?,
        Helper::worker("pair", shape, argument)?,
    ];
    let _module = MEMORY_INFO.load()?;
    let mut lines = oracle::agree_on(&["one", "pair"])?;
    ensure!(lines.len() == 2, "the oracle finds {} sets", lines.len());
    for line in &lines {
        listing::parse(&line.print())?
            .iter()
            .try_for_each(listing::Line::check)?;
    }
    let one = lines
        .iter()
        .position(|line| line.name == b"one")
        .context("the oracle finds no set named one")?;
    Ok(lines.swap_remove(one))
}

fn identical_pages_of_one_process() -> Result<()> {
    let _plain = crowd::one("plain", &[1, 2, 3, 4, 5, 6, 7, 8])?;
    let _alike = crowd::one("alike", &[1, 1, 1, 1, 1, 2, 2, 3])?;
    let _module = MEMORY_INFO.load()?;
    let lines = oracle::agree_on(&["plain", "alike"])?;
    let find = |name: &[u8]| {
        lines
            .iter()
            .find(|line| line.name == name)
            .context("the oracle does not find a set")
    };
    let (plain, alike) = (find(b"plain")?, find(b"alike")?);
    check_eq(
        "shareable pages",
        alike.may_be_shared,
        plain.may_be_shared + 7,
    )?;
    check_eq("groups", alike.nb_group, plain.nb_group + 2)
}

fn zero_pages() -> Result<()> {
    let line = agrees("zero-pages", "")?;
    ensure!(
        line.may_be_shared >= 17,
        "fewer than 16 zero pages and one written with zeros may be shared: {line:?}"
    );
    Ok(())
}

fn secret() -> Result<()> {
    if let Err(error) = secret_memory() {
        return skip(format!(
            "memfd_secret(2) failed: {error}; the kernel may need the parameter secretmem.enable=1"
        ));
    }
    agrees("secret", "").map(drop)
}

fn device() -> Result<()> {
    if let Err(error) = std::fs::File::open("/dev/mem") {
        return skip(format!("cannot open /dev/mem: {error}"));
    }
    agrees("device", "").map(drop)
}

/// Pages that a driver inserts one by one (`VM_MIXEDMAP` without `VM_IO`) are valid, but never shareable.
fn inserted_by_a_driver() -> Result<()> {
    if let Err(error) = shapes::io_uring() {
        return skip(format!("cannot make an io_uring: {error}"));
    }
    agrees("inserted-pages", "").map(drop)
}

fn huge(shape: &str, shareable: u64) -> Result<()> {
    if !has_transparent_huge_pages() {
        return skip("this kernel does not have transparent huge pages");
    }
    let line = agrees(shape, "")?;
    ensure!(
        line.may_be_shared >= shareable,
        "expected at least {shareable} shareable pages: {line:?}"
    );
    Ok(())
}

fn hugetlb() -> Result<()> {
    const POOL: &str = "/proc/sys/vm/nr_hugepages";
    const WANTED: u32 = 9;
    if !Path::new(POOL).exists() {
        return skip("this kernel does not have hugetlb pages");
    }
    let _pool = Setting::set(POOL, &WANTED.to_string())?;
    let got: u32 = std::fs::read_to_string(POOL)?.trim().parse()?;
    if got < WANTED {
        return skip(format!(
            "the machine can reserve only {got} of {WANTED} huge pages"
        ));
    }
    let line = agrees("hugetlb", "")?;
    ensure!(
        line.may_be_shared >= 1024,
        "fewer than the 1024 pages of two huge pages may be shared: {line:?}"
    );
    Ok(())
}

fn swapped_out() -> Result<()> {
    let _swap = match SwapSpace::set_up("64M")? {
        Ok(swap) => swap,
        Err(why) => return skip(why),
    };
    let line = agrees("swapped", "")?;
    ensure!(line.invalid() >= 1, "no page is swapped out: {line:?}");
    Ok(())
}

fn merged_by_ksm() -> Result<()> {
    if !Path::new("/sys/kernel/mm/ksm/run").exists() {
        return skip("this kernel does not have same-page merging");
    }
    let _pages = Setting::set("/sys/kernel/mm/ksm/pages_to_scan", "1000")?;
    let _sleep = Setting::set("/sys/kernel/mm/ksm/sleep_millisecs", "1")?;
    let _run = Setting::set("/sys/kernel/mm/ksm/run", "1")?;
    let line = agrees("merged", "")?;
    ensure!(
        line.may_be_shared >= 64,
        "fewer than 64 merged pages may be shared: {line:?}"
    );
    Ok(())
}

/// Memory that is only reserved costs no time.
fn reserved_terabytes() -> Result<()> {
    const TERABYTES: u64 = 4;
    let _module = MEMORY_INFO.load()?;
    let without = fastest_reset()?;
    let helper = Helper::worker("sparse", "sparse", Some(&TERABYTES.to_string()))?;
    let with = fastest_reset()?;
    let lines = oracle::agree_on(&["sparse"])?;
    ensure!(
        lines[0].total > TERABYTES << 28,
        "the total lacks {TERABYTES} TiB: {:?}",
        lines[0]
    );
    drop(helper);
    // The limit is high, since a walk over single pages would take minutes.
    ensure!(
        with < 3 * without + Duration::from_millis(50),
        "RESET takes {with:?} with {TERABYTES} TiB reserved, {without:?} without"
    );
    Ok(())
}

/// Returns the time of the fastest of several RESETs.
fn fastest_reset() -> Result<Duration> {
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        memory_info::reset()?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(fastest)
}
