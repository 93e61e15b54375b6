// SPDX-License-Identifier: GPL-2.0-only

//! Signals with a handler, which interrupt system calls (`SA_RESTART` is not set): they do not end a command.

use super::errors::bulk;
use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Context, Result};
use guest::child;
use nix::errno::Errno;
use nix::sys::signal::{kill, sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::sys::wait::waitpid;
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};

cases! {
    a_running_command (120 s),
    a_command_that_waits_for_its_turn (120 s),
}

/// Number of signals that the handler took.
static TAKEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn take(_: libc::c_int) {
    TAKEN.fetch_add(1, Ordering::Relaxed);
}

/// Sends SIGALRM to this process every two milliseconds, until this is dropped.
struct Alarms;

impl Alarms {
    fn start() -> Result<Self> {
        let action = SigAction::new(SigHandler::Handler(take), SaFlags::empty(), SigSet::empty());
        // SAFETY: The handler is async-signal-safe: it only increments an atomic counter.
        unsafe { sigaction(Signal::SIGALRM, &action) }?;
        every(2000).context("cannot set a timer")?;
        Ok(Self)
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        let _ = every(0);
    }
}

fn every(microseconds: i64) -> Result<(), Errno> {
    let interval = libc::timeval {
        tv_sec: 0,
        tv_usec: microseconds,
    };
    let timer = libc::itimerval {
        it_interval: interval,
        it_value: interval,
    };
    // SAFETY: By the contract of setitimer(2), it reads the timer, which lives during the call, and ignores the null pointer.
    let status = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    Errno::result(status).map(drop)
}

fn a_running_command() -> Result<()> {
    let _bulk = bulk()?;
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let alarms = Alarms::start()?;
    let written = [(); 8].map(|()| command_file::write(&file, b"RESET\n"));
    drop(alarms);
    check_eq("the results of the RESETs", written, [Ok(6); 8])?;
    ensure!(
        TAKEN.load(Ordering::Relaxed) > 0,
        "no signal came while RESET ran"
    );
    Ok(())
}

fn a_command_that_waits_for_its_turn() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let others = [(); 2].map(|()| {
        child::start(|| loop {
            memory_info::reset().map_err(|_| Errno::EIO)?;
        })
    });
    let file = memory_info::open()?;
    let alarms = Alarms::start()?;
    let mut refused = 0;
    let mut text = Vec::new();
    for _ in 0..60 {
        refused += u32::from(command_file::write(&file, b"RESET\n") != Ok(6));
        text.clear();
        // Reading is not interrupted, either, or is tried again.
        (&file).read_to_end(&mut text)?;
        check_text("the answer", &text, memory_info::SUCCESS)?;
    }
    drop(alarms);
    for other in others {
        kill(other?, Signal::SIGKILL)?;
        waitpid(other?, None)?;
    }
    check_eq("RESETs that a signal ended", refused, 0)?;
    ensure!(
        TAKEN.load(Ordering::Relaxed) > 60,
        "the signals did not come"
    );
    Ok(())
}
