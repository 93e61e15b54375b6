// SPDX-License-Identifier: GPL-2.0-only

//! What users without privileges can do to the machine once `mode` has let them in: ask, and no more.

use super::errors::logged;
use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::crowd::crowd;
use crate::helper::Helper;
use crate::kernel_log::KernelLog;
use crate::kernel_memory::kernel_memory;
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
    each_error_logs_one_line,
    answers_of_exited_writers_are_bounded (300 s),
    answers_of_open_files_are_bounded (300 s),
    killed_resets_do_not_starve_other_callers (300 s),
}

/// Sets in the answer to ALL where it has to be large, some 90 KB.
const SETS: usize = 1000;
/// What the kernel's own memory wobbles by.
const SLACK: u64 = 24 << 20;

fn large_answers() -> Result<Vec<Helper>> {
    let crowd = crowd(
        &[],
        (0..SETS).map(|number| format!("one-of-many-{number:03}")),
    )?;
    memory_info::reset()?;
    Ok(crowd)
}

/// What `then` leads to in a child process without privileges.
fn as_nobody(then: impl FnOnce() -> Outcome) -> Result<Outcome> {
    child::run(|| become_nobody().and_then(|()| then()))
}

fn ask(command: &[u8]) -> Result<File, Errno> {
    let file = memory_info::open().map_err(|_| Errno::EACCES)?;
    command_file::write(&file, command).map(|_| file)
}

/// Each failed command is logged, as the statement wants it; nothing else is.
fn each_error_logs_one_line() -> Result<()> {
    const ERRORS: usize = 50;
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    let mut log = KernelLog::from_now()?;
    let asked = as_nobody(|| {
        for _ in 0..ERRORS {
            ask(b"ALL")?;
            memory_info::read().map_err(|_| Errno::EIO)?;
            let refused = ask(b"nonsense").err();
            if refused != Some(Errno::EINVAL) {
                return Err(Errno::EPROTO);
            }
        }
        Ok(())
    })?;
    check_eq("asking", asked, Ok(()))?;
    check_eq("errors in the log", log.errors()?.len(), ERRORS)?;
    let huge = vec![b'x'; 8 << 20];
    let asked = as_nobody(|| ask(&huge).map(drop))?;
    check_eq("a huge command", asked, Err(Errno::EINVAL))?;
    logged(&mut log, memory_info::INVALID)
}

/// The answers of processes that are gone.
fn answers_of_exited_writers_are_bounded() -> Result<()> {
    const WRITERS: usize = 1200;
    /// As the README has it.
    const KEPT: u64 = 64 << 20;
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    let _crowd = large_answers()?;
    let before = kernel_memory()?;
    for _ in 0..WRITERS {
        let asked = as_nobody(|| ask(b"ALL").map(drop))?;
        check_eq("asking", asked, Ok(()))?;
    }
    let grown = kernel_memory()?.saturating_sub(before);
    ensure!(
        grown > KEPT / 2,
        "the answers were too small to tell anything: {grown} bytes"
    );
    ensure!(
        grown < KEPT + SLACK,
        "the answers of {WRITERS} writers hold {grown} bytes"
    );
    Ok(())
}

/// Each open file holds an answer; in all, they may only hold so much, and privileged users go on.
fn answers_of_open_files_are_bounded() -> Result<()> {
    const FILES: usize = 6000;
    /// As the README has it.
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
    let hoarder = child::start(|| {
        become_nobody()?;
        let mut files = Vec::new();
        let refused = loop {
            match ask(b"ALL") {
                Ok(file) if files.len() < FILES => files.push(file),
                Ok(_) => break Errno::UnknownErrno,
                Err(errno) => break errno,
            }
        };
        let told = status_to.write_all(&(refused as i32).to_le_bytes());
        let went_on = go_from.read(&mut [0]);
        told.and(went_on).map(drop).map_err(|_| Errno::EPIPE)
    })?;
    let mut refused = [0; 4];
    status_from.read_exact(&mut refused)?;
    check_eq(
        "what ends it",
        Errno::from_raw(i32::from_le_bytes(refused)),
        Errno::ENOMEM,
    )?;
    let grown = kernel_memory()?.saturating_sub(before);
    ensure!(
        grown < HELD + 2 * SLACK,
        "the answers that open files hold are {grown} bytes"
    );
    check_eq(
        "sets that root sees",
        memory_info::all()?.len() > SETS,
        true,
    )?;
    go_to.write_all(&[0])?;
    check_eq(
        "the hoarder's end",
        waitpid(hoarder, None)?,
        WaitStatus::Exited(hoarder, 0),
    )?;
    let asked = as_nobody(|| ask(b"ALL").map(drop))?;
    check_eq("asking afterwards", asked, Ok(()))
}

/// RESETs without end, their callers killed in the middle, beside somebody who wants to know something.
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
            "RESET took {took:?} beside {CALLERS} others, {alone:?} alone"
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

/// Kills a child, which must have been at work until then.
fn end(child: Pid) -> Result<()> {
    kill(child, Signal::SIGKILL)?;
    match waitpid(child, None)? {
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => Ok(()),
        status => bail!("a caller of RESET ended by itself: {status:?}"),
    }
}
