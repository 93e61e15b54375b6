// SPDX-License-Identifier: GPL-2.0-only

//! Process names of every length and with all kinds of bytes.

use crate::case::{cases, check_eq, check_text};
use crate::escape::escape;
use crate::helper::Helper;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::shapes;
use anyhow::{ensure, Context, Result};
use guest::child::{self, hold};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::Pid;

cases! {
    longest,
    any_bytes,
    newline_and_empty,
    names_of_threads_do_not_count,
}

/// Starts a process with this name, which stops itself.
fn named(name: &[u8]) -> Result<Pid> {
    let child = child::start(|| {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        shapes::rename(name).map_err(|_| Errno::EINVAL)?;
        hold()
    })?;
    waitpid(child, Some(WaitPidFlag::WUNTRACED))?;
    Ok(child)
}

/// Requires that FILTER finds the process `pid` by this name.
fn listed_as(name: &[u8], pid: Pid) -> Result<()> {
    let line = memory_info::line_of(name)?;
    check_text("the printed name", &line.name, escape(name))?;
    check_eq(
        "the pids in the line of the name",
        line.pids,
        vec![pid.as_raw()],
    )
}

fn longest() -> Result<()> {
    let fourteen = named(b"fourteen-bytes")?;
    let fifteen = named(b"fifteen-bytes-x")?;
    // The kernel truncates this name: a comm has at most 15 bytes.
    let cut = named(b"sixteen-bytes-xy")?;
    let _module = MEMORY_INFO.load()?;
    listed_as(b"fourteen-bytes", fourteen)?;
    listed_as(b"fifteen-bytes-x", fifteen)?;
    listed_as(b"sixteen-bytes-x", cut)?;
    for name in [
        "sixteen-bytes-xy",
        "fifteen-bytes-xx",
        "fifteen-bytes-",
        "fifteen-bytes-x\t",
    ] {
        check_text(name, memory_info::filter(name)?, memory_info::NO_PROCESS)?;
    }
    let longest = "x".repeat(56);
    check_text(
        "a name of 56 bytes",
        memory_info::filter(longest)?,
        memory_info::NO_PROCESS,
    )
}

fn any_bytes() -> Result<()> {
    let names: [&[u8]; 18] = [
        b"two words",
        b" leading",
        b"trailing ",
        b"a|b",
        b"|",
        b"a, total: 1",
        b"%s%n%p",
        b"tab\there",
        b"\x01\x1b[31m\x7f",
        b"back\\slash",
        b"\xff\xfe\x80\xc0",
        b"csi \x9b31m",
        "csi \u{9b}31m".as_bytes(),
        b"cut \xe2\x82",
        "nel \u{85}".as_bytes(),
        "näme".as_bytes(),
        b"\r",
        b"ALL",
    ];
    let pids = names
        .iter()
        .map(|name| named(name))
        .collect::<Result<Vec<_>>>()?;
    let _module = MEMORY_INFO.load()?;
    for (name, pid) in names.into_iter().zip(&pids) {
        listed_as(name, *pid).with_context(|| format!("name \"{}\"", name.escape_ascii()))?;
    }
    for name in names {
        let command = [b"DEL|", name, b"\n"].concat();
        check_text(
            &format!("{name:?}"),
            memory_info::answer(command)?,
            memory_info::SUCCESS,
        )?;
        check_text(
            &format!("{name:?}"),
            memory_info::filter(name)?,
            memory_info::NO_PROCESS,
        )?;
    }
    Ok(())
}

fn newline_and_empty() -> Result<()> {
    let newline = named(b"a\nb")?;
    let empty = named(b"")?;
    let _module = MEMORY_INFO.load()?;
    let lines = memory_info::all()?;
    for (printed, pid) in [(&b"a\\012b"[..], newline), (b"", empty)] {
        let line = lines
            .iter()
            .find(|line| line.name == printed)
            .with_context(|| format!("ALL has no line for \"{}\"", printed.escape_ascii()))?;
        check_eq("the pids of the set", &line.pids, &vec![pid.as_raw()])?;
    }
    Ok(())
}

fn names_of_threads_do_not_count() -> Result<()> {
    let helper = Helper::worker("leader-exited", "leader-exited", None)?;
    let _module = MEMORY_INFO.load()?;
    let line = memory_info::line_of("leader-exited")?;
    ensure!(
        line.pids == [helper.pid()],
        "expected pid {}, got {:?}",
        helper.pid(),
        line.pids
    );
    check_text(
        "the name of a thread",
        memory_info::filter("survivor")?,
        memory_info::NO_PROCESS,
    )
}
