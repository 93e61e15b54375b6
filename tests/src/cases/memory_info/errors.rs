// SPDX-License-Identifier: GPL-2.0-only

//! The errors of commands: the error number, the message in the file, and the line in the kernel log.

use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::crowd::crowd;
use crate::helper::Helper;
use crate::kernel::log::KernelLog;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Context, Result};
use guest::child;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use std::time::{Duration, Instant};

cases! {
    einval,
    efault,
    esrch_does_not_fail_the_write,
    esrch_fails_the_write_if_strict,
    enoent_without_the_module,
    success_logs_no_error,
    killed_reset_keeps_the_data (180 s),
}

/// Requires that exactly one error was logged since the last call, and that it contains `message`.
pub fn logged(log: &mut KernelLog, message: &str) -> Result<()> {
    let errors = log.errors()?;
    ensure!(
        errors.len() == 1 && errors[0].contains(message.trim_end()),
        "the kernel log must have one line at KERN_ERR with '{}', but has {errors:?}",
        message.trim_end()
    );
    Ok(())
}

/// Requires that a command fails with this error number, message and line in the kernel log.
fn fails_with(command: &str, errno: Errno, message: &str) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    let reply = memory_info::ask(command)?;
    check_eq("the result of write", reply.write, Err(errno))?;
    check_text("the message in the file", reply.text, message)?;
    logged(&mut log, message)
}

fn einval() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    for command in ["\n", "NONSENSE\n", "FILTER\n", "DEL|\n", &"x".repeat(65)] {
        fails_with(command, Errno::EINVAL, memory_info::INVALID)
            .with_context(|| format!("{command:?}"))?;
    }
    Ok(())
}

fn efault() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let mut log = KernelLog::from_now()?;
    let unmapped = std::ptr::without_provenance(8);
    // SAFETY: By the contract of write(2), it checks the address and only reads.
    let written =
        Errno::result(unsafe { libc::write(std::os::fd::AsRawFd::as_raw_fd(&file), unmapped, 5) });
    check_eq("the result of write", written, Err(Errno::EFAULT))?;
    check_text(
        "the message in the file",
        memory_info::read()?,
        memory_info::BAD_ADDRESS,
    )?;
    logged(&mut log, memory_info::BAD_ADDRESS)
}

fn esrch_does_not_fail_the_write() -> Result<()> {
    for parameters in ["", "strict=0"] {
        let module = MEMORY_INFO.load_with(parameters)?;
        for command in ["FILTER|nobody\n", "DEL|nobody\n"] {
            let mut log = KernelLog::from_now()?;
            check_text(
                command,
                memory_info::answer(command)?,
                memory_info::NO_PROCESS,
            )?;
            logged(&mut log, memory_info::NO_PROCESS)?;
        }
        module.unload()?;
    }
    Ok(())
}

fn esrch_fails_the_write_if_strict() -> Result<()> {
    let _helper = Helper::worker("present", "plain", None)?;
    let _module = MEMORY_INFO.load_with("strict=1")?;
    for command in ["FILTER|nobody\n", "DEL|nobody\n"] {
        fails_with(command, Errno::ESRCH, memory_info::NO_PROCESS).context(command)?;
    }
    memory_info::line_of("present")?;
    check_text(
        "DEL",
        memory_info::answer("DEL|present\n")?,
        memory_info::SUCCESS,
    )?;
    fails_with("DEL|present\n", Errno::ESRCH, memory_info::NO_PROCESS)
}

/// Without the module, its file does not exist.
fn enoent_without_the_module() -> Result<()> {
    MEMORY_INFO.load()?.unload()?;
    let error = std::fs::File::open(memory_info::PATH)
        .map(drop)
        .map_err(|error| error.kind());
    check_eq("opening the file", error, Err(std::io::ErrorKind::NotFound))
}

fn success_logs_no_error() -> Result<()> {
    let _helper = Helper::worker("present", "plain", None)?;
    let mut log = KernelLog::from_now()?;
    let module = MEMORY_INFO.load()?;
    for command in ["ALL\n", "FILTER|present\n", "DEL|present\n", "RESET\n"] {
        memory_info::answer(command)?;
    }
    module.unload()?;
    check_eq("errors in the kernel log", log.errors()?, Vec::new())
}

/// Starts enough processes with enough pages that a RESET takes some time.
pub fn bulk() -> Result<Vec<Helper>> {
    let pages: Vec<u8> = (0..64).collect();
    crowd(&pages, (0..300).map(|_| "bulk".into()))
}

/// A RESET whose process is killed changes nothing.
fn killed_reset_keeps_the_data() -> Result<()> {
    const ATTEMPTS: u32 = 24;
    let _bulk = bulk()?;
    let _module = MEMORY_INFO.load()?;
    let started = Instant::now();
    memory_info::reset()?;
    let usual = started.elapsed();

    let mut interrupted = 0;
    for attempt in 0..ATTEMPTS {
        let old = memory_info::all()?;
        // A RESET that completes would add this set.
        let marker = format!("marker-{attempt}");
        let _marker = Helper::worker(&marker, "plain", None)?;
        let delay = usual.mul_f64(f64::from(attempt) / f64::from(ATTEMPTS));
        let status = kill_in_reset(delay)?;
        let now = memory_info::all()?;
        let done = now.iter().any(|line| line.name == marker.as_bytes());
        if !done {
            check_eq("the data after a killed RESET", &now, &old)?;
            interrupted += u32::from(matches!(status, WaitStatus::Signaled(..)));
        } else {
            let bulk = now
                .iter()
                .find(|line| line.name == b"bulk")
                .context("a RESET lost a set")?;
            check_eq(
                "processes of the set after a RESET that completed",
                bulk.pids.len(),
                300,
            )?;
        }
    }
    ensure!(
        interrupted > 0,
        "none of {ATTEMPTS} RESETs of {} ms was interrupted by SIGKILL",
        usual.as_millis()
    );
    Ok(())
}

/// Kills a child `delay` after it begins a RESET, and returns its status.
fn kill_in_reset(delay: Duration) -> Result<WaitStatus> {
    let file = memory_info::open()?;
    let (ready, signal_ready) = child::pipe()?;
    let mut signal_ready = Some(signal_ready);
    let child = child::start(|| {
        drop(signal_ready.take());
        command_file::write(&file, b"RESET\n").map(drop)
    })?;
    drop(signal_ready);
    // The child closes its end of the pipe right before it writes.
    let _ = std::io::Read::read(&mut &ready, &mut [0])?;
    std::thread::sleep(delay);
    kill(child, Signal::SIGKILL)?;
    let status = waitpid(child, None)?;
    ensure!(
        !matches!(status, WaitStatus::Exited(_, code) if code != 0),
        "the RESET failed before it was killed: {status:?}"
    );
    Ok(status)
}
