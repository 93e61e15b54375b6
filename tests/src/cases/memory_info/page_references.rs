// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel refuses for a page that somebody holds a reference to works beside RESETs as without them.
//!
//! All processes here are in one set with much read-only memory, so that a scan of the set takes long.

use crate::case::{cases, skip};
use crate::helper::repeater::Repeater;
use crate::helper::Helper;
use crate::kernel::setting::Setting;
use crate::module::MEMORY_INFO;
use crate::shapes::large;
use anyhow::{bail, ensure, Context, Result};
use fastrand::Rng;
use guest::child::Outcome;
use guest::mapping::{has_transparent_huge_pages, Area, Mapping, PAGE, RO, RW};
use linux_raw_sys::general::{MADV_COLLAPSE, MADV_SOFT_OFFLINE};
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, SealFlag};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::mman::{MapFlags, MmapAdvise};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

cases! {
    seal (120 s),
    collapse (120 s),
    soft_offline (120 s),
    merging (180 s),
}

/// Name of all processes.
const COMM: &std::ffi::CStr = c"refers";
/// Time for which an action that says "try again" is tried again. References of a batch of a scan are gone after it.
const AGAIN: Duration = Duration::from_millis(20);

/// A set with much memory, beside RESETs.
struct Scene {
    resets: Repeater,
    /// Time that a RESET takes.
    scan: Duration,
    _large: Helper,
    rng: Rng,
}

impl Scene {
    /// Starts the RESETs and the large process, which has `part` of the available memory. The module must be loaded.
    fn set_up(part: f64) -> Result<Self> {
        let resets = Repeater::of_resets()?;
        let pages = large::part_of_memory(part)?;
        let large = Helper::fork_that_stops("large process", || {
            nix::sys::prctl::set_name(COMM)?;
            large::anonymous(pages, MapFlags::MAP_PRIVATE).map(drop)
        })?;
        // This process joins the set. A scan begins with it, since it is older, and then looks at the large process.
        nix::sys::prctl::set_name(COMM)?;
        let scan = resets.mean_time()?;
        Ok(Self {
            resets,
            scan,
            _large: large,
            rng: Rng::new(),
        })
    }

    /// Waits until a moment in a RESET.
    fn wait(&mut self) -> Result<()> {
        self.resets.wait_for_begin()?;
        std::thread::sleep(self.scan.mul_f64(self.rng.f64()));
        Ok(())
    }
}

/// Repeats `action` while it fails with one of `again`, for [`AGAIN`] at most.
fn insist(again: &[Errno], mut action: impl FnMut() -> Outcome) -> Outcome {
    let start = Instant::now();
    loop {
        match action() {
            Err(errno) if again.contains(&errno) && start.elapsed() < AGAIN => {
                std::thread::sleep(Duration::from_millis(1));
            }
            outcome => return outcome,
        }
    }
}

/// Fails if any of `rounds` rounds was refused.
fn never_refused(what: &str, rounds: usize, refused: &[Errno]) -> Result<()> {
    ensure!(
        refused.is_empty(),
        "{what} was refused in {} of {rounds} rounds: {refused:?}",
        refused.len()
    );
    Ok(())
}

/// Makes a file in memory that can be sealed, with pages of all different contents.
fn sealable() -> Result<File> {
    const PAGES: u64 = 600;
    let flags = MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC;
    let mut file = File::from(memfd_create(c"sealable", flags).context("cannot make a memfd")?);
    let mut page = [0; PAGE];
    for index in 0..PAGES {
        page[..8].copy_from_slice(&index.to_ne_bytes());
        file.write_all(&page)?;
    }
    Ok(file)
}

fn pages_of(file: &File) -> Result<usize> {
    Ok(file.metadata()?.len() as usize / PAGE)
}

/// Files are sealed against writing that were mapped for reading before, or still are in a way that does not hinder the
/// sealing by itself. The kernel itself waits for references to go away, for about 150 ms.
fn seal() -> Result<()> {
    const ROUNDS: usize = 16;
    let _module = MEMORY_INFO.load()?;
    let mut scene = Scene::set_up(0.15)?;
    let mut refused = Vec::new();
    for round in 0..ROUNDS {
        let file = sealable()?;
        let stays_mapped = round % 2 == 0;
        let flags = match stays_mapped {
            true => MapFlags::MAP_PRIVATE,
            false => MapFlags::MAP_SHARED,
        };
        let mut mapping = Some(Mapping::of_file(&file, 0, pages_of(&file)?, RO, flags)?);
        mapping.iter().for_each(|mapping| mapping.touch());
        scene.wait()?;
        if !stays_mapped {
            mapping = None;
        }
        refused.extend(fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)).err());
        drop(mapping);
    }
    never_refused("F_SEAL_WRITE of a memfd", ROUNDS, &refused)
}

fn collapse() -> Result<()> {
    const ROUNDS: usize = 12;
    if !has_transparent_huge_pages() {
        return skip("this kernel does not have transparent huge pages");
    }
    let _module = MEMORY_INFO.load()?;
    let mut scene = Scene::set_up(0.06)?;
    let mut refused = Vec::new();
    for _ in 0..ROUNDS {
        let area = Area::huge_aligned(1)?;
        area.advise_no_huge_pages()?;
        area.fill_all(|index| index as u64);
        area.protect(RO)?;
        // MADV_COLLAPSE is not for areas that must not have huge pages.
        area.advise(MmapAdvise::MADV_HUGEPAGE)?;
        scene.wait()?;
        let collapsed = insist(&[Errno::EAGAIN], || area.advise_by_number(MADV_COLLAPSE));
        if collapsed == Err(Errno::ENOMEM) {
            return skip("the machine does not have a free huge page");
        }
        refused.extend(collapsed.err());
        area.unmap()?;
    }
    never_refused("MADV_COLLAPSE", ROUNDS, &refused)
}

/// The kernel moves the contents of the page to another one, and never uses the page again.
fn soft_offline() -> Result<()> {
    const ROUNDS: usize = 11;
    let area = Area::small_pages(ROUNDS)?;
    area.fill_all(|index| index as u64);
    area.protect(RO)?;
    match area.part(0..1).advise_by_number(MADV_SOFT_OFFLINE) {
        Err(errno @ (Errno::EINVAL | Errno::EOPNOTSUPP)) => {
            return skip(format!("this kernel cannot take pages out of use: {errno}"))
        }
        outcome => outcome.context("MADV_SOFT_OFFLINE without RESETs")?,
    }
    let _module = MEMORY_INFO.load()?;
    let mut scene = Scene::set_up(0.06)?;
    let mut refused = Vec::new();
    for round in 1..ROUNDS {
        let page = area.part(round..round + 1);
        scene.wait()?;
        let again = [Errno::EAGAIN, Errno::EBUSY, Errno::EIO];
        refused.extend(insist(&again, || page.advise_by_number(MADV_SOFT_OFFLINE)).err());
    }
    never_refused("MADV_SOFT_OFFLINE", ROUNDS - 1, &refused)
}

/// KSM merges a page only while nobody has a reference to it.
fn merging() -> Result<()> {
    const PAGES: usize = 12_000;
    /// Time for which processes run beside ksmd.
    const TIME: Duration = Duration::from_secs(2);
    if !Path::new("/sys/kernel/mm/ksm/run").exists() {
        return skip("this kernel does not have same-page merging");
    }
    let _pages = Setting::set("/sys/kernel/mm/ksm/pages_to_scan", "2000")?;
    let _sleep = Setting::set("/sys/kernel/mm/ksm/sleep_millisecs", "10")?;
    let _run = Setting::set("/sys/kernel/mm/ksm/run", "1")?;
    let _module = MEMORY_INFO.load()?;
    // They take as much processor time from ksmd as the RESETs.
    let spinners = [0, 1].map(|_| {
        Repeater::start("process that computes", || {
            for number in 0..1_000_000 {
                std::hint::black_box(number);
            }
            Ok(())
        })
    });
    let spinners = spinners.into_iter().collect::<Result<Vec<_>>>()?;
    spinners.iter().try_for_each(Repeater::pause)?;
    let scene = Scene::set_up(0.06)?;
    scene.resets.pause()?;
    let merged = || -> Result<u64> {
        let mapping = Mapping::anonymous(PAGES, RW)?;
        mapping.advise_no_huge_pages()?;
        mapping.fill_all(|index| index as u64 / 4);
        mapping.protect(RO)?;
        mapping.advise(MmapAdvise::MADV_MERGEABLE)?;
        std::thread::sleep(TIME);
        let path = "/proc/self/ksm_merging_pages";
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        Ok(text.trim().parse()?)
    };
    spinners.iter().for_each(Repeater::go_on);
    let usual = merged()?;
    spinners.iter().try_for_each(Repeater::pause)?;
    if usual < PAGES as u64 / 10 {
        bail!("without RESETs, ksmd merged only {usual} of {PAGES} pages in {TIME:?}");
    }
    scene.resets.go_on();
    let beside = merged()?;
    ensure!(
        beside * 10 >= usual * 8,
        "in {TIME:?}, ksmd merged {beside} of {PAGES} pages beside RESETs, and {usual} beside processes that compute"
    );
    Ok(())
}
