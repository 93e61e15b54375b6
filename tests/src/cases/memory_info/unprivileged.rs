// SPDX-License-Identifier: GPL-2.0-only

//! Users without privileges, after the parameter `mode` lets them open the file: they can give commands, but cannot exhaust
//! the memory of the machine or delay others.

use super::errors::logged;
use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::crowd::crowd;
use crate::helper::Helper;
use crate::kernel::log::KernelLog;
use crate::kernel::memory::kernel_memory;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::privileges::become_nobody;
use anyhow::{bail, ensure, Result};
use guest::child::{self, Outcome};
use nix::errno::Errno;
use nix::sys::resource::{setrlimit, Resource};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

cases! {
    each_error_of_root_logs_one_line,
    errors_of_others_are_limited,
    answers_of_exited_writers_are_bounded (300 s),
    answers_of_open_files_are_bounded (300 s),
    killed_resets_do_not_starve_other_callers (300 s),
}

/// Number of sets that make the answer to ALL large: about 90 KB.
const SETS: usize = 1000;
/// Bytes by which the memory of the kernel varies by itself.
const SLACK: u64 = 24 << 20;

/// Starts enough processes that the answer to ALL is large.
fn large_answers() -> Result<Vec<Helper>> {
    let crowd = crowd(
        &[],
        (0..SETS).map(|number| format!("one-of-many-{number:03}")),
    )?;
    memory_info::reset()?;
    Ok(crowd)
}

/// Runs `then` in a child process without privileges and returns the result.
fn as_nobody(then: impl FnOnce() -> Outcome) -> Result<Outcome> {
    child::run(|| become_nobody().and_then(|()| then()))
}

/// Gives a command through a new file and returns the file.
fn ask(command: &[u8]) -> Result<File, Errno> {
    let file = memory_info::open().map_err(|_| Errno::EACCES)?;
    command_file::write(&file, command).map(|_| file)
}

/// Gives `count` commands, each of which fails, and as many that succeed.
fn fail(count: usize) -> Outcome {
    for _ in 0..count {
        ask(b"ALL")?;
        memory_info::read().map_err(|_| Errno::EIO)?;
        let refused = ask(b"nonsense").err();
        if refused != Some(Errno::EINVAL) {
            return Err(Errno::EPROTO);
        }
    }
    Ok(())
}

/// Each command that fails is logged, and nothing else.
fn each_error_of_root_logs_one_line() -> Result<()> {
    const ERRORS: usize = 50;
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    let mut log = KernelLog::from_now()?;
    check_eq("giving commands", child::run(|| fail(ERRORS))?, Ok(()))?;
    check_eq("errors in the log", log.errors()?.len(), ERRORS)?;
    let huge = vec![b'x'; 8 << 20];
    let asked = child::run(|| ask(&huge).map(drop))?;
    check_eq("a command of 8 MiB", asked, Err(Errno::EINVAL))?;
    logged(&mut log, memory_info::INVALID)
}

/// Returns how many errors the lines of the log stand for.
fn errors_of(lines: &[String]) -> Result<usize> {
    let left_out = |line: &str| {
        line.strip_prefix("memory_info: ")?
            .strip_suffix(" errors of callers without CAP_SYS_ADMIN were left out")?
            .parse::<usize>()
            .ok()
    };
    let message = format!("memory_info: {}", memory_info::INVALID.trim_end());
    lines
        .iter()
        .map(|line| match left_out(line) {
            Some(errors) => Ok(errors),
            None => check_text("a line of the log", line, &message).map(|()| 1),
        })
        .sum()
}

/// A caller without privileges cannot fill the log, which says how many of its errors were left out.
fn errors_of_others_are_limited() -> Result<()> {
    const ERRORS: usize = 300;
    let module = MEMORY_INFO.load_with("mode=0666")?;
    let mut log = KernelLog::from_now()?;
    let start = Instant::now();
    check_eq("giving commands", as_nobody(|| fail(ERRORS))?, Ok(()))?;
    // Ten in five seconds, and a line about those that were left out.
    let limit = 11 * (2 + start.elapsed().as_secs() as usize / 5);
    let mut lines = log.errors()?;
    ensure!(
        (10..=limit).contains(&lines.len()),
        "{ERRORS} errors have {} lines in the log",
        lines.len()
    );
    std::thread::sleep(Duration::from_secs(6));
    check_eq("another command", as_nobody(|| fail(1))?, Ok(()))?;
    lines.extend(log.errors()?);
    check_eq("errors in the log", errors_of(&lines)?, ERRORS + 1)?;
    // What is left out at the end is told when the module is unloaded.
    check_eq("giving commands", as_nobody(|| fail(30))?, Ok(()))?;
    module.unload()?;
    check_eq("errors at the end", errors_of(&log.errors()?)?, 30)
}

fn answers_of_exited_writers_are_bounded() -> Result<()> {
    const WRITERS: usize = 1200;
    /// Documented limit in bytes (docs/memory_info.md).
    const KEPT: u64 = 64 << 20;
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    let _crowd = large_answers()?;
    let before = kernel_memory()?;
    for _ in 0..WRITERS {
        let asked = as_nobody(|| ask(b"ALL").map(drop))?;
        check_eq("giving commands", asked, Ok(()))?;
    }
    let grown = kernel_memory()?.saturating_sub(before);
    ensure!(
        grown > KEPT / 2,
        "the answers are too small for this test: {grown} bytes"
    );
    ensure!(
        grown < KEPT + SLACK,
        "the answers of {WRITERS} writers occupy {grown} bytes"
    );
    Ok(())
}

/// The answers of all open files may occupy a limited amount of memory, and privileged users are not affected by the limit.
fn answers_of_open_files_are_bounded() -> Result<()> {
    const FILES: usize = 6000;
    /// Documented limit in bytes (docs/memory_info.md).
    const HELD: u64 = 256 << 20;
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    let _crowd = large_answers()?;
    setrlimit(
        Resource::RLIMIT_NOFILE,
        FILES as u64 + 100,
        FILES as u64 + 100,
    )?;
    let before = kernel_memory()?;
    // In a child, so that its files are closed when it ends.
    let (mut status_from, mut status_to) = child::pipe()?;
    let (mut go_from, mut go_to) = child::pipe()?;
    let holder = child::start(|| {
        become_nobody()?;
        let mut files = Vec::new();
        let refused = loop {
            match ask(b"ALL") {
                Ok(file) if files.len() < FILES => files.push(file),
                Ok(_) => break Errno::UnknownErrno,
                Err(errno) => break errno,
            }
        };
        let sent = status_to.write_all(&(refused as i32).to_le_bytes());
        let received = go_from.read(&mut [0]);
        sent.and(received).map(drop).map_err(|_| Errno::EPIPE)
    })?;
    let mut refused = [0; 4];
    status_from.read_exact(&mut refused)?;
    check_eq(
        "the error at the limit",
        Errno::from_raw(i32::from_le_bytes(refused)),
        Errno::ENOMEM,
    )?;
    let grown = kernel_memory()?.saturating_sub(before);
    ensure!(
        grown < HELD + 2 * SLACK,
        "the answers of open files occupy {grown} bytes"
    );
    check_eq(
        "root gets the answer to ALL",
        memory_info::all()?.len() > SETS,
        true,
    )?;
    go_to.write_all(&[0])?;
    check_eq(
        "the status of the process with the open files",
        waitpid(holder, None)?,
        WaitStatus::Exited(holder, 0),
    )?;
    let asked = as_nobody(|| ask(b"ALL").map(drop))?;
    check_eq(
        "giving a command after the files were closed",
        asked,
        Ok(()),
    )
}

/// Callers give RESET commands all the time and are killed, while another caller measures its own RESET commands.
fn killed_resets_do_not_starve_other_callers() -> Result<()> {
    const CALLERS: usize = 12;
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    let steady = Helper::worker("steady", "plain", None)?;
    let start_of_reset = Instant::now();
    memory_info::reset()?;
    let alone = start_of_reset.elapsed();
    let call = || {
        child::start(|| {
            become_nobody()?;
            loop {
                ask(b"RESET")?;
            }
        })
    };
    let mut callers = (0..CALLERS)
        .map(|_| call())
        .collect::<Result<Vec<_>, _>>()?;
    let limit = Duration::from_secs(2) + 40 * alone;
    for round in 0..10 {
        let begun = Instant::now();
        memory_info::reset()?;
        let took = begun.elapsed();
        ensure!(
            took < limit,
            "RESET took {took:?} beside {CALLERS} other callers, {alone:?} alone"
        );
        check_eq(
            "the pid of the set",
            memory_info::line_of("steady")?.pids,
            vec![steady.pid()],
        )?;
        let caller = &mut callers[round % CALLERS];
        end(*caller)?;
        *caller = call()?;
    }
    callers.into_iter().try_for_each(end)?;
    check_text(
        "RESET",
        memory_info::answer("RESET\n")?,
        memory_info::SUCCESS,
    )
}

/// Kills a caller. Fails if it has ended by itself.
fn end(child: Pid) -> Result<()> {
    kill(child, Signal::SIGKILL)?;
    match waitpid(child, None)? {
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => Ok(()),
        status => bail!("a caller of RESET ended by itself: {status:?}"),
    }
}
