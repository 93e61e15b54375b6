// SPDX-License-Identifier: GPL-2.0-only

//! A machine with little memory, most of which a process maps for reading. Others need the memory back.

use crate::case::{cases, skip};
use crate::helper::fuse_file::{FuseFile, Reads};
use crate::helper::repeater::Repeater;
use crate::kernel::memory::{meminfo, vmstat};
use crate::module::MEMORY_INFO;
use crate::shapes::large;
use anyhow::{ensure, Result};
use fastrand::Rng;
use guest::child::{self, errno_of};
use guest::mapping::{Area, RW};
use guest::scheduling::{bind_to_cpu, run_before_others};
use nix::errno::Errno;
use nix::sys::wait::WaitStatus;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

cases! {
    nobody_is_killed_for_memory (300 s),
}

/// Memory of a machine on which the test makes sense.
const MOST_MEMORY: u64 = 1 << 30;

/// CPU on which the scans run.
const SCANNING: usize = 1;

/// The machine has no swap space. The pages of the file can be dropped when others need memory, unless somebody holds
/// references to them: all other memory is in use.
fn nobody_is_killed_for_memory() -> Result<()> {
    const ROUNDS: usize = 3;
    const MAPPINGS: usize = 4;
    if meminfo("MemTotal:")? > MOST_MEMORY {
        return skip("the machine has much memory; the suite small-machine:: has one with little");
    }
    let pages = large::part_of_memory(0.6)?;
    let needed = large::part_of_memory(0.7)?;
    let file = match FuseFile::mount(pages, Reads::Answered)? {
        Ok(file) => file,
        Err(why) => return skip(why),
    };
    let _module = MEMORY_INFO.load_with("workers=1")?;
    // The process that needs memory runs before the scan on the same CPU, and the scan does not run while that process waits
    // for memory, either. So the scan keeps what it holds until the memory is there.
    bind_to_cpu(SCANNING)?;
    let resets = Repeater::of_resets()?;
    resets.pause()?;
    let spinner = Repeater::start("process that spins", || {
        run_before_others(1)?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        Ok(())
    })?;
    spinner.pause()?;
    bind_to_cpu(0)?;
    let opened = File::open(file.path())?;
    // After a scan has seen the pages once, the other mappings keep it busy with the same set.
    let mut areas = Vec::new();
    let mapper = Repeater::start("process that maps the file", || {
        nix::sys::prctl::set_name(c"mapper")?;
        for area in areas.drain(..) {
            let area: Area = area;
            area.unmap().map_err(|_| Errno::EIO)?;
        }
        read_whole(&opened)?;
        for _ in 0..MAPPINGS {
            areas.push(large::map_file(&opened)?);
        }
        Ok(())
    })?;
    let killed = || vmstat("oom_kill");
    let before = killed();
    let mut rng = Rng::new();
    let mut rounds = |beside: &str, scan: Duration| -> Result<()> {
        for round in 0..ROUNDS {
            // The file is in memory again, and stays mapped.
            mapper.go_on();
            mapper.wait_for(1)?;
            mapper.pause()?;
            std::thread::sleep(scan.mul_f64(rng.f64()));
            spinner.go_on();
            let allocated = child::wait(child::start(|| allocate(needed))?)?;
            spinner.pause()?;
            ensure!(
                matches!(allocated, WaitStatus::Exited(_, 0)) && killed() == before,
                "round {round} {beside}: {} processes were killed for memory; the process that needed it: {allocated:?}",
                killed() - before
            );
        }
        Ok(())
    };
    rounds("without RESETs", Duration::ZERO)?;
    resets.go_on();
    rounds("beside RESETs", resets.mean_time()?)
}

/// Reads the file from its beginning to its end, which is much faster than page faults.
fn read_whole(file: &File) -> Result<(), Errno> {
    let mut part = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        match file.read_at(&mut part, at).map_err(errno_of)? {
            0 => return Ok(()),
            length => at += length as u64,
        }
    }
}

/// Uses `pages` pages of memory.
fn allocate(pages: usize) -> Result<(), Errno> {
    run_before_others(2)?;
    bind_to_cpu(SCANNING)?;
    let area = Area::anonymous(pages, RW).map_err(|_| Errno::ENOMEM)?;
    area.lock().map_err(|_| Errno::ENOMEM)?;
    Ok(())
}
