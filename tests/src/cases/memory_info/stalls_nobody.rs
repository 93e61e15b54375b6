// SPDX-License-Identifier: GPL-2.0-only

//! RESET does not stall the processes that it looks into, and no process can stall it for good.

use crate::case::{cases, check_eq, check_text, skip};
use crate::command_file;
use crate::helper::fuse_file::{FuseFile, Reads};
use crate::helper::repeater::Repeater;
use crate::helper::Helper;
use crate::kernel::memory::kernel_memory;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::shapes::large;
use anyhow::{ensure, Context, Result};
use guest::child::{self, errno_of};
use guest::mapping::{Mapping, RW};
use guest::module::LoadedModule;
use nix::sys::mman::MapFlags;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use std::io::Read;
use std::time::{Duration, Instant};

cases! {
    mapping_is_as_fast_as_beside_smaps (180 s),
    a_stuck_process_stalls_its_set_only (120 s),
    any_number_of_workers,
}

/// Limit for everything that must not wait for a stuck process.
const SOON: Duration = Duration::from_secs(1);

/// Latencies of a round in nanoseconds.
struct Latencies {
    p999: u64,
    longest: u64,
}

/// A figure of [`Latencies`].
type Figure = fn(&Latencies) -> u64;

/// This process maps, touches and unmaps memory without pause, and has much memory that others look at: a RESET with one
/// worker, or a reader of smaps, so that both take the same processor time from it.
fn mapping_is_as_fast_as_beside_smaps() -> Result<()> {
    const ROUNDS: usize = 5;
    const TIME: Duration = Duration::from_millis(800);
    let _module = MEMORY_INFO.load_with("workers=1")?;
    let resets = Repeater::of_resets()?;
    let smaps = format!("/proc/{}/smaps", std::process::id());
    let readers = Repeater::start("reader of smaps", move || {
        let mut text = Vec::new();
        let mut file = std::fs::File::open(&smaps).map_err(errno_of)?;
        file.read_to_end(&mut text).map(drop).map_err(errno_of)
    })?;
    resets.pause()?;
    readers.pause()?;
    nix::sys::prctl::set_name(c"mapper")?;
    let pages = large::part_of_memory(0.3)?;
    large::anonymous(pages, MapFlags::MAP_PRIVATE)?;
    let beside = |process: &Repeater| -> Result<Latencies> {
        process.go_on();
        process.wait_for_begin()?;
        let latencies = map_and_unmap(TIME)?;
        process.pause()?;
        Ok(latencies)
    };
    let (mut with_resets, mut with_readers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with_resets.push(beside(&resets)?);
        with_readers.push(beside(&readers)?);
    }
    let median = |rounds: &[Latencies], of: Figure| {
        let mut values: Vec<u64> = rounds.iter().map(of).collect();
        values.sort_unstable();
        Duration::from_nanos(values[ROUNDS / 2])
    };
    // Scheduling makes the figures of equal loads differ by as much.
    let limits: [(&str, Figure, Duration); 2] = [
        ("p99.9", |round| round.p999, Duration::from_millis(1)),
        ("longest", |round| round.longest, Duration::from_millis(4)),
    ];
    for (what, of, noise) in limits {
        let (resets, readers) = (median(&with_resets, of), median(&with_readers, of));
        println!("{what}: {resets:?} beside RESETs, {readers:?} beside readers of smaps");
        ensure!(
            resets <= readers.mul_f64(1.5) + noise,
            "mapping and unmapping, {what}: {resets:?} beside RESETs, {readers:?} beside readers of smaps"
        );
    }
    Ok(())
}

/// Maps, touches and unmaps memory for `time`.
fn map_and_unmap(time: Duration) -> Result<Latencies> {
    const PAGES: usize = 8;
    let mut latencies = Vec::with_capacity(1 << 20);
    let end = Instant::now() + time;
    loop {
        let start = Instant::now();
        if start >= end {
            break;
        }
        let mapping = Mapping::anonymous(PAGES, RW)?;
        (0..PAGES).for_each(|page| mapping.touch_for_writing(page));
        drop(mapping);
        latencies.push(start.elapsed().as_nanos() as u64);
    }
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(part).copied().context("nothing was measured");
    Ok(Latencies {
        p999: at(latencies.len() * 999 / 1000)?,
        longest: at(latencies.len().saturating_sub(1))?,
    })
}

/// A thread of the process holds its `mmap_lock` while it waits for a page that does not come, and another thread waits for
/// the lock, so that nobody else gets it.
fn a_stuck_process_stalls_its_set_only() -> Result<()> {
    let mut file = match FuseFile::mount(1, Reads::Stuck)? {
        Ok(file) => file,
        Err(why) => return skip(why),
    };
    let _other = Helper::worker("other", "patterns", Some("1 1 2"))?;
    let module = MEMORY_INFO.load()?;
    let path = file.path().to_string_lossy().into_owned();
    let stuck = Helper::start(
        &mut crate::helper::worker_command("stuck", "stuck", Some(&path))?,
        "stuck process".into(),
    )?;
    let checked = wait_until_stuck(&stuck).and_then(|()| beside_stuck(module));
    // Nothing may wait any more, whatever was found.
    file.fail_reads();
    checked?;
    let _module = MEMORY_INFO.load()?;
    check_eq(
        "the set of the process that was stuck",
        memory_info::line_of("stuck")?.pids,
        vec![stuck.pid()],
    )
}

/// Checks everything that must work while a process is stuck, and unloads the module.
fn beside_stuck(module: LoadedModule) -> Result<()> {
    let reset = || -> Result<Pid> {
        let file = memory_info::open()?;
        Ok(child::start(|| {
            command_file::write(&file, b"RESET\n").map(drop)
        })?)
    };
    // If a check fails, the module can be unloaded only after the stuck process goes on. The test runner does it.
    let module = module.leave_loaded();
    let first = reset()?;
    let second = reset()?;
    std::thread::sleep(SOON / 2);
    soon("FILTER", || memory_info::line_of("other").map(drop))?;
    soon("ALL", || memory_info::all().map(drop))?;
    soon("DEL", || {
        check_text(
            "DEL",
            memory_info::answer("DEL|other\n")?,
            memory_info::SUCCESS,
        )
    })?;
    let waiting = waiting_uninterruptibly("stuck")?;
    for caller in [second, first] {
        soon_ended("a killed caller of RESET", caller, true)?;
    }
    // Another RESET is on its way when the module is unloaded.
    let third = reset()?;
    std::thread::sleep(SOON / 5);
    soon("unloading", || module.unload())?;
    soon_ended(
        "the caller of RESET when the module was unloaded",
        third,
        true,
    )?;
    ensure!(
        waiting.is_empty(),
        "beside a stuck process, tasks wait uninterruptibly: {waiting:?}"
    );
    Ok(())
}

/// Requires that `action` takes no longer than [`SOON`]. It runs in a process of its own, which may hang.
fn soon(what: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
    let process = child::start_with_status(|| {
        let outcome = action();
        if let Err(error) = &outcome {
            eprintln!("{error:#}");
        }
        i32::from(outcome.is_err())
    })?;
    soon_ended(what, process, false)
}

/// Requires that `process` ends within [`SOON`], after it was killed if `killed` is true.
fn soon_ended(what: &str, process: Pid, killed: bool) -> Result<()> {
    if killed {
        kill(process, Signal::SIGKILL)?;
    }
    let deadline = Instant::now() + SOON;
    loop {
        match waitpid(process, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => {}
            WaitStatus::Exited(_, status) if !killed && status != 0 => {
                anyhow::bail!("{what} failed with status {status}")
            }
            _ => return Ok(()),
        }
        ensure!(
            Instant::now() < deadline,
            "{what} did not end within {SOON:?} beside a stuck process"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until one thread of the process waits for its page and another for the lock.
fn wait_until_stuck(stuck: &Helper) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let waiting = threads_in(stuck.pid(), 'D');
        if waiting >= 2 {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "only {waiting} threads of the process that should be stuck wait"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the number of threads of the process `pid` in a state.
fn threads_in(pid: i32, state: char) -> usize {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let wanted = format!(") {state} ");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .filter(|stat| stat.contains(&wanted))
        .count()
}

/// Returns the names of the tasks with other names than `except` that wait uninterruptibly, at several moments in a row.
fn waiting_uninterruptibly(except: &str) -> Result<Vec<String>> {
    let mut suspects: Option<Vec<String>> = None;
    for _ in 0..5 {
        let mut now = Vec::new();
        for process in procfs::process::all_processes()? {
            let Ok(stat) = process.and_then(|process| process.stat()) else {
                continue;
            };
            if stat.state == 'D' && stat.comm != except {
                now.push(format!("{} ({})", stat.comm, stat.pid));
            }
        }
        suspects = Some(match suspects {
            None => now,
            Some(before) => before.into_iter().filter(|one| now.contains(one)).collect(),
        });
        std::thread::sleep(Duration::from_millis(60));
    }
    Ok(suspects.unwrap_or_default())
}

/// More workers than CPUs are not started, and cost no memory.
fn any_number_of_workers() -> Result<()> {
    let module = MEMORY_INFO.load()?;
    memory_info::reset()?;
    let before = kernel_memory()?;
    let start = Instant::now();
    memory_info::reset()?;
    let usual = start.elapsed();
    module.unload()?;
    for workers in [1000, 1_000_000, u32::MAX] {
        let _module = MEMORY_INFO.load_with(&format!("workers={workers}"))?;
        let start = Instant::now();
        memory_info::reset()?;
        let took = start.elapsed();
        ensure!(
            took < 5 * usual + Duration::from_millis(100),
            "RESET takes {took:?} with workers={workers}, {usual:?} without"
        );
        let grown = kernel_memory()?.saturating_sub(before);
        ensure!(grown < 16 << 20, "workers={workers} costs {grown} bytes");
    }
    Ok(())
}
