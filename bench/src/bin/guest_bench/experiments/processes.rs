// SPDX-License-Identifier: GPL-2.0-only

//! Time of RESET, depending on the number and kind of processes.

use crate::experiment::{timed, Experiment, Results};
use crate::helper_process::HelperProcess;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{map_filled, Content};
use crate::read_once::ReadOnce;
use anyhow::{Context, Result};
use guest::mapping::{Mapping, PAGE, RO};
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::unistd::Pid;
use std::ffi::CString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TIB: usize = 1 << 40;
const MIB: u64 = 1 << 20;

/// Experiments of this file.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "processes::one-binary",
        quick: false,
        memory: 300 * MIB,
        run: one_binary,
    },
    Experiment {
        name: "processes::names",
        quick: false,
        memory: 400 * MIB,
        run: names,
    },
    Experiment {
        name: "processes::one-gibibyte",
        quick: false,
        memory: 1100 * MIB,
        run: one_gibibyte,
    },
    Experiment {
        name: "processes::fork-tree",
        quick: false,
        memory: 300 * MIB,
        run: fork_tree,
    },
    Experiment {
        name: "processes::hardly-any",
        quick: true,
        memory: 0,
        run: hardly_any,
    },
    Experiment {
        name: "processes::same-page-again",
        quick: true,
        memory: 200 * MIB,
        run: same_page_again,
    },
    Experiment {
        name: "processes::unpopulated",
        quick: true,
        memory: 0,
        run: unpopulated,
    },
];

/// A running program, which is killed when this is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// 500 processes that run the same static program.
fn one_binary(results: &Results) -> Result<()> {
    const PROCESSES: usize = 500;
    let start = || {
        // Prints a word when it runs, and then waits.
        let mut child = Command::new("/usr/bin/busybox")
            .args(["sh", "-c", "echo x; read -r _"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run busybox")?;
        let output = child.stdout.as_mut().context("its output is a pipe")?;
        output.read_exact(&mut [0])?;
        anyhow::Ok(Program(child))
    };
    let programs: Vec<Program> = (0..PROCESSES).map(|_| start()).collect::<Result<_>>()?;
    let pids = programs.iter().map(|one| Pid::from_raw(one.0.id() as i32));
    compare(results, &pids.collect::<Vec<_>>())
}

/// 2,000 forked processes with few pages and names of their own.
fn names(results: &Results) -> Result<()> {
    const PROCESSES: usize = 2000;
    let mut processes = Vec::new();
    for index in 0..PROCESSES {
        let name = CString::new(format!("bench-{index:04}"))?;
        let own = || map_filled(Content::Half, 4, 4 * index);
        processes.push(HelperProcess::start(&name, own, |_, _| Ok(0))?);
    }
    compare(
        results,
        &processes.iter().map(HelperProcess::pid).collect::<Vec<_>>(),
    )
}

/// A single process with 1 GiB.
fn one_gibibyte(results: &Results) -> Result<()> {
    let all = || map_filled(Content::Half, (1 << 30) / PAGE, 0);
    let process = HelperProcess::start(c"bench-gibibyte", all, |_, _| Ok(0))?;
    compare(results, &[process.pid()])
}

/// A chain of processes: each is forked by the one before, shares its pages and has some of its own.
fn fork_tree(results: &Results) -> Result<()> {
    const DEPTH: usize = 200;
    const OWN_PAGES: usize = 64;
    struct Branch {
        _own: Mapping,
        next: Option<HelperProcess>,
    }
    fn grow(depth: usize) -> Result<HelperProcess> {
        let prepare = || {
            let own = map_filled(Content::Different, OWN_PAGES, depth * OWN_PAGES)?;
            let next = (depth > 1).then(|| grow(depth - 1)).transpose()?;
            Ok(Branch { _own: own, next })
        };
        // The reply to any request is the pid of the last process.
        HelperProcess::start(
            c"bench-tree",
            prepare,
            |branch, request| match &mut branch.next {
                Some(next) => next.request(request),
                None => Ok(u64::from(std::process::id())),
            },
        )
    }
    let mut root = grow(DEPTH)?;
    let last = i32::try_from(root.request(0)?).context("a pid fits into 32 bits")?;
    compare(results, &[root.pid(), Pid::from_raw(last)])
}

/// Measures RESET, a pass of `read_once`, and reading `smaps_rollup` of the processes `pids`.
fn compare(results: &Results, pids: &[Pid]) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    memory_info.reset()?;
    read_once.pass()?;
    let pages = read_once.pages()?;
    for round in 0..results.rounds {
        let pass = timed(|| read_once.pass())?;
        let reset = timed(|| memory_info.reset())?;
        let rollups = timed(|| pids.iter().try_for_each(|pid| read_rollup(*pid)))?;
        results.time_each(round, "pass", pass, pages)?;
        results.time_each(round, "reset", reset, pages)?;
        let processes = pids.len() as u64;
        results.time_each(round, "reset a process", reset, processes)?;
        results.time_each(round, "smaps_rollup a process", rollups, processes)?;
    }
    Ok(())
}

fn read_rollup(pid: Pid) -> Result<()> {
    let path = format!("/proc/{pid}/smaps_rollup");
    std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(())
}

/// Time of a RESET with few processes.
fn hardly_any(results: &Results) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    for round in 0..results.rounds {
        let reset = timed(|| memory_info.reset())?;
        results.value(round, "reset", reset.as_secs_f64() * 1e3, "ms")?;
    }
    Ok(())
}

/// Time that a RESET takes for each further mapping of a frame that it has scanned already.
fn same_page_again(results: &Results) -> Result<()> {
    // Few frames, so that reading them takes little of the time.
    const PAGES: usize = 2000;
    const FORKS: usize = 64;
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    let pages = map_filled(Content::Different, PAGES, 0)?;
    for round in 0..results.rounds {
        let alone = shortest(&mut memory_info)?;
        read_once.pass()?;
        let pages_alone = read_once.pages()?;
        let forks: Vec<HelperProcess> = (0..FORKS)
            .map(|_| HelperProcess::start(c"guest-bench", || Ok(()), |(), _| Ok(0)))
            .collect::<Result<_>>()?;
        read_once.pass()?;
        let more = read_once.pages()? - pages_alone;
        let together = shortest(&mut memory_info)?;
        drop(forks);
        let each = (together - alone) / more as f64;
        results.value(round, "again", each * 1e9, "ns each")?;
    }
    drop(pages);
    Ok(())
}

/// Time that a RESET takes for a TiB of address space without pages.
fn unpopulated(results: &Results) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    for (measure, protection) in [("PROT_NONE", ProtFlags::PROT_NONE), ("PROT_READ", RO)] {
        for round in 0..results.rounds {
            let without = shortest(&mut memory_info)?;
            let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
            let Ok(reservation) = Mapping::anonymous_with(TIB / PAGE, protection, flags) else {
                return results
                    .skip("a process of this kernel does not have a TiB of free address space");
            };
            let with = shortest(&mut memory_info)?;
            drop(reservation);
            results.value(round, measure, (with - without) * 1e3, "ms a TiB")?;
        }
    }
    Ok(())
}

/// Returns the shortest time of a few RESETs in seconds. Small differences can be seen between shortest times only.
fn shortest(memory_info: &mut MemoryInfo) -> Result<f64> {
    let times: Vec<Duration> = (0..8)
        .map(|_| timed(|| memory_info.reset()))
        .collect::<Result<_>>()?;
    let shortest = times.into_iter().min().context("at least one time")?;
    Ok(shortest.as_secs_f64())
}
