// SPDX-License-Identifier: GPL-2.0-only

//! RESET's time by what there are for processes.

use crate::experiment::{timed, Experiment, Log};
use crate::holder::Holder;
use crate::memory_info::{self, MemoryInfo};
use crate::pages::{Content, Mapping, PAGE};
use crate::read_once::ReadOnce;
use anyhow::{Context, Result};
use nix::sys::mman::ProtFlags;
use nix::unistd::Pid;
use std::ffi::CString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TIB: usize = 1 << 40;
const MIB: u64 = 1 << 20;

/// All of them.
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

/// A program that was executed; it is killed when this goes.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have died already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// 500 processes that execute the same static program.
fn one_binary(log: &Log) -> Result<()> {
    const PROCESSES: usize = 500;
    let start = || {
        // It says a word once it runs, and waits for ever.
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
    compare(log, &pids.collect::<Vec<_>>())
}

/// 2,000 forks that have little, and names of their own.
fn names(log: &Log) -> Result<()> {
    const PROCESSES: usize = 2000;
    let mut holders = Vec::new();
    for index in 0..PROCESSES {
        let name = CString::new(format!("bench-{index:04}"))?;
        let own = || Mapping::filled(Content::Half, 4, 4 * index);
        holders.push(Holder::start(&name, own, |_, _| Ok(0))?);
    }
    compare(log, &holders.iter().map(Holder::pid).collect::<Vec<_>>())
}

/// A single process.
fn one_gibibyte(log: &Log) -> Result<()> {
    let all = || Mapping::filled(Content::Half, (1 << 30) / PAGE, 0);
    let holder = Holder::start(c"bench-gibibyte", all, |_, _| Ok(0))?;
    compare(log, &[holder.pid()])
}

/// Each process is the child of the one before, and has its pages and some of its own.
fn fork_tree(log: &Log) -> Result<()> {
    const DEPTH: usize = 200;
    const OWN_PAGES: usize = 64;
    struct Branch {
        _own: Mapping,
        next: Option<Holder>,
    }
    fn grow(depth: usize) -> Result<Holder> {
        let prepare = || {
            let own = Mapping::filled(Content::Different, OWN_PAGES, depth * OWN_PAGES)?;
            let next = (depth > 1).then(|| grow(depth - 1)).transpose()?;
            Ok(Branch { _own: own, next })
        };
        // Any question is who comes last.
        Holder::start(
            c"bench-tree",
            prepare,
            |branch, command| match &mut branch.next {
                Some(next) => next.ask(command),
                None => Ok(u64::from(std::process::id())),
            },
        )
    }
    let mut root = grow(DEPTH)?;
    let last = i32::try_from(root.ask(0)?).context("an id is an int")?;
    compare(log, &[root.pid(), Pid::from_raw(last)])
}

/// RESET beside a pass, and beside what the kernel has for single processes.
fn compare(log: &Log, pids: &[Pid]) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    memory_info.reset()?;
    read_once.pass()?;
    let pages = read_once.pages()?;
    for round in 0..log.rounds {
        let pass = timed(|| read_once.pass())?;
        let reset = timed(|| memory_info.reset())?;
        let rollups = timed(|| pids.iter().try_for_each(|pid| read_rollup(*pid)))?;
        log.time_each(round, "pass", pass, pages)?;
        log.time_each(round, "reset", reset, pages)?;
        let processes = pids.len() as u64;
        log.time_each(round, "reset a process", reset, processes)?;
        log.time_each(round, "smaps_rollup a process", rollups, processes)?;
    }
    Ok(())
}

fn read_rollup(pid: Pid) -> Result<()> {
    let path = format!("/proc/{pid}/smaps_rollup");
    std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(())
}

/// What a RESET costs where there is hardly anything to scan.
fn hardly_any(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    for round in 0..log.rounds {
        let reset = timed(|| memory_info.reset())?;
        log.value(round, "reset", reset.as_secs_f64() * 1e3, "ms")?;
    }
    Ok(())
}

/// What a RESET costs for each page more whose frame it knows already.
fn same_page_again(log: &Log) -> Result<()> {
    // Few that have to be read, so that these do not matter.
    const PAGES: usize = 2000;
    const FORKS: usize = 64;
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    let mut read_once = ReadOnce::load()?;
    let pages = Mapping::filled(Content::Different, PAGES, 0)?;
    for round in 0..log.rounds {
        let alone = shortest(&mut memory_info)?;
        read_once.pass()?;
        let pages_alone = read_once.pages()?;
        let forks: Vec<Holder> = (0..FORKS)
            .map(|_| Holder::start(c"guest-bench", || Ok(()), |(), _| Ok(0)))
            .collect::<Result<_>>()?;
        read_once.pass()?;
        let more = read_once.pages()? - pages_alone;
        let together = shortest(&mut memory_info)?;
        drop(forks);
        let each = (together - alone) / more as f64;
        log.value(round, "again", each * 1e9, "ns each")?;
    }
    drop(pages);
    Ok(())
}

/// What a RESET costs for a TiB where nothing is.
fn unpopulated(log: &Log) -> Result<()> {
    let _module = memory_info::load()?;
    let mut memory_info = MemoryInfo::open()?;
    for (measure, protection) in [
        ("PROT_NONE", ProtFlags::PROT_NONE),
        ("PROT_READ", ProtFlags::PROT_READ),
    ] {
        for round in 0..log.rounds {
            let without = shortest(&mut memory_info)?;
            let Ok(reservation) = Mapping::reserve(TIB, protection) else {
                return log.skip("processes of this kernel have no TiB of addresses left");
            };
            let with = shortest(&mut memory_info)?;
            drop(reservation);
            log.value(round, measure, (with - without) * 1e3, "ms a TiB")?;
        }
    }
    Ok(())
}

/// The shortest of a few RESETs in seconds: differences between two are small.
fn shortest(memory_info: &mut MemoryInfo) -> Result<f64> {
    let times: Vec<Duration> = (0..8)
        .map(|_| timed(|| memory_info.reset()))
        .collect::<Result<_>>()?;
    let shortest = times.into_iter().min().context("some times")?;
    Ok(shortest.as_secs_f64())
}
