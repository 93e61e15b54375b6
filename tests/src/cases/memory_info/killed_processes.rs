// SPDX-License-Identifier: GPL-2.0-only

//! What a killed process held is free at once, also if a RESET looked into the process at this moment.
//!
//! A process with much read-only memory, whose scan takes long, is killed at a random moment beside RESETs that follow each
//! other without pause. When waitpid(2) has returned, its locks, its files, its mounts and its memory must be free, as they
//! are without RESETs.

use crate::case::{cases, skip};
use crate::helper::repeater::Repeater;
use crate::helper::{tiny_elf, Helper};
use crate::kernel::memory::meminfo;
use crate::kernel::mount::Tmpfs;
use crate::kernel::setting::Setting;
use crate::module::MEMORY_INFO;
use crate::shapes::large;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use guest::mapping::{Area, HUGE, PAGE, RW};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::mman::MapFlags;
use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

cases! {
    locks (120 s),
    executables_and_mounts (120 s),
    private_memory (120 s) => || memory(MapFlags::MAP_PRIVATE),
    shared_memory (120 s) => || memory(MapFlags::MAP_SHARED),
    huge_pages_of_the_pool (120 s),
}

/// Number of processes that are killed without RESETs, to see what the system itself takes.
const ROUNDS_ALONE: u32 = 2;
/// Time after which everything must be free, beyond what the end of the process takes without RESETs.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Time after which a round is given up.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// Requires that `is_free` returns true right after a process that `start` started was killed and waited for, in `rounds`
/// rounds beside RESETs.
fn is_free_at_once(
    rounds: u32,
    start: impl Fn() -> Result<Helper>,
    is_free: impl Fn() -> Result<bool>,
) -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let resets = Repeater::of_resets()?;
    resets.pause()?;
    let mut alone = Duration::ZERO;
    for _ in 0..ROUNDS_ALONE {
        let process = start()?;
        let killed = Instant::now();
        process.kill()?;
        until(&is_free)?;
        alone = alone.max(killed.elapsed());
    }
    let mut rng = Rng::new();
    let mut late = Vec::new();
    let mut scan = None;
    for _ in 0..rounds {
        let process = start()?;
        resets.go_on();
        let scan = match scan {
            Some(scan) => scan,
            None => *scan.insert(resets.mean_time()?),
        };
        resets.wait_for_begin()?;
        std::thread::sleep(scan.mul_f64(rng.f64()));
        process.kill()?;
        let took = until(&is_free)?;
        resets.pause()?;
        // The last user of the memory frees it, which may be the scan. That takes as long as it takes the process, and
        // another RESET may run beside it.
        if took > AT_ONCE + 2 * alone {
            late.push(took);
        }
    }
    // Where the machine has other work, whoever frees shares a CPU with the scan, so some rounds may be late.
    ensure!(
        late.len() * 2 <= rounds as usize,
        "in {} of {rounds} rounds, what a killed process held was free only after {late:?}; without RESETs, killing it and \
         freeing all takes {alone:?}",
        late.len()
    );
    Ok(())
}

/// Waits until `is_free` returns true, and returns how long that took.
fn until(is_free: impl Fn() -> Result<bool>) -> Result<Duration> {
    let start = Instant::now();
    while !is_free()? {
        ensure!(
            start.elapsed() < GIVEN_UP,
            "what a killed process held is not free after {GIVEN_UP:?}"
        );
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(start.elapsed())
}

/// Starts a process that maps the file at `path`, runs `hold`, and stops.
fn holder(path: &Path, hold: impl FnOnce(&File) -> Result<(), Errno>) -> Result<Helper> {
    let file = File::open(path)?;
    Helper::fork_that_stops("holder", || {
        nix::sys::prctl::set_name(c"holder")?;
        hold(&file)?;
        large::map_file(&file).map(drop)
    })
}

/// The mapping refers to the open file, and that to the lock.
fn locks() -> Result<()> {
    let file = tempfile::NamedTempFile::new_in("/tmp")?;
    large::write_file(file.path(), large::part_of_memory(0.08)?)?;
    let start = || {
        holder(file.path(), |opened| {
            let lock = Flock::lock(
                opened.try_clone().map_err(guest::child::errno_of)?,
                FlockArg::LockExclusiveNonblock,
            );
            lock.map(std::mem::forget).map_err(|(_, errno)| errno)
        })
    };
    is_free_at_once(12, start, || {
        match Flock::lock(File::open(file.path())?, FlockArg::LockExclusiveNonblock) {
            Ok(_) => Ok(true),
            Err((_, Errno::EWOULDBLOCK)) => Ok(false),
            Err((_, errno)) => Err(errno).context("cannot lock the file"),
        }
    })
}

/// A file that is executed cannot be written, and its mount cannot be unmounted.
fn executables_and_mounts() -> Result<()> {
    let mounted = Cell::new(None::<Tmpfs>);
    let pages = large::part_of_memory(0.03)?;
    let start = || {
        let file_system = Tmpfs::mount("size=90%")?;
        let program = file_system.path().join("holder");
        let data: Vec<u8> = (0..pages).map(|page| page as u8).collect();
        tiny_elf::write(&program, tiny_elf::Class::Elf64, &data)?;
        let process = Helper::that_stops(&mut Command::new(&program), "holder".into())?;
        mounted.set(Some(file_system));
        Ok(process)
    };
    is_free_at_once(5, start, || {
        let Some(file_system) = mounted.take() else {
            return Ok(true);
        };
        let written = OpenOptions::new()
            .write(true)
            .open(file_system.path().join("holder"))
            .map(drop)
            .map_err(guest::child::errno_of);
        let is_free = match written {
            Err(Errno::ETXTBSY) => false,
            Err(errno) => return Err(errno).context("cannot open the executable for writing"),
            Ok(()) => match file_system.unmount() {
                Ok(()) => return Ok(true),
                Err(Errno::EBUSY) => false,
                Err(errno) => return Err(errno).context("cannot unmount the tmpfs"),
            },
        };
        mounted.set(Some(file_system));
        Ok(is_free)
    })
}

fn memory(flags: MapFlags) -> Result<()> {
    let pages = large::part_of_memory(0.08)?;
    let before = Cell::new(0);
    let start = || {
        before.set(meminfo("MemAvailable:")?);
        Helper::fork_that_stops("holder", || {
            nix::sys::prctl::set_name(c"holder")?;
            large::anonymous(pages, flags).map(drop)
        })
    };
    // The rest is for what else changes, such as the tables of the scan.
    let rest = (pages * PAGE / 4) as u64;
    is_free_at_once(5, start, || {
        Ok(meminfo("MemAvailable:")? + rest > before.get())
    })
}

fn huge_pages_of_the_pool() -> Result<()> {
    const POOL: &str = "/proc/sys/vm/nr_hugepages";
    const WANTED: usize = 8;
    if !Path::new(POOL).exists() {
        return skip("this kernel does not have hugetlb pages");
    }
    let _pool = Setting::set(POOL, &WANTED.to_string())?;
    let pool = meminfo("HugePages_Total:")?;
    if pool < WANTED as u64 {
        return skip(format!(
            "the machine can reserve only {pool} of {WANTED} huge pages"
        ));
    }
    let file = tempfile::NamedTempFile::new_in("/tmp")?;
    large::write_file(file.path(), large::part_of_memory(0.08)?)?;
    let start = || {
        holder(file.path(), |_| {
            let map = || -> Result<()> {
                let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB;
                let area = Area::anonymous_with(WANTED * HUGE / PAGE, RW, flags)?;
                area.fill_all(|index| index as u64);
                area.protect(guest::mapping::RO)
            };
            map().map_err(|error| error.downcast().unwrap_or(Errno::EIO))
        })
    };
    is_free_at_once(5, start, || Ok(meminfo("HugePages_Free:")? == pool))
}
