// SPDX-License-Identifier: GPL-2.0-only

//! The statement's error table: the number, the text in the file, and the line in the kernel log.

use crate::case::{check_eq, check_text, Case};
use crate::crowd::crowd;
use crate::helper::Helper;
use crate::kernel_log::KernelLog;
use crate::{child, module, proc_file};
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = &[
    Case::new("errors::einval", einval),
    Case::new("errors::efault", efault),
    Case::new("errors::esrch_is_no_failure", esrch_is_no_failure),
    Case::new("errors::esrch_when_strict", esrch_when_strict),
    Case::new(
        "errors::enoent_without_the_module",
        enoent_without_the_module,
    ),
    Case::new("errors::success_logs_no_error", success_logs_no_error),
    Case::slow(
        "errors::other_signals_do_not_interrupt",
        120,
        other_signals_do_not_interrupt,
    ),
    Case::slow(
        "errors::killed_reset_keeps_the_data",
        180,
        killed_reset_keeps_the_data,
    ),
];

/// Requires that just one error was logged, and that it says `message`.
pub fn logged(log: &mut KernelLog, message: &str) -> Result<()> {
    let errors = log.errors()?;
    ensure!(
        errors.len() == 1 && errors[0].contains(message.trim_end()),
        "the kernel log must hold one line at KERN_ERR with '{}', but holds {errors:?}",
        message.trim_end()
    );
    Ok(())
}

fn fails_with(command: &str, errno: Errno, message: &str) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    let reply = proc_file::ask(command)?;
    check_eq("what write returns", reply.write, Err(errno))?;
    check_text("the file", reply.text, message)?;
    logged(&mut log, message)
}

fn einval() -> Result<()> {
    let _module = module::load()?;
    for command in ["", "NONSENSE\n", "FILTER\n", "DEL|\n", &"x".repeat(65)] {
        fails_with(command, Errno::EINVAL, proc_file::INVALID)
            .with_context(|| format!("{command:?}"))?;
    }
    Ok(())
}

fn efault() -> Result<()> {
    let _module = module::load()?;
    let file = proc_file::open()?;
    let mut log = KernelLog::from_now()?;
    let unmapped = std::ptr::without_provenance(8);
    // SAFETY: write(2) only reads, and checks what it reads from.
    let written =
        Errno::result(unsafe { libc::write(std::os::fd::AsRawFd::as_raw_fd(&file), unmapped, 5) });
    check_eq("what write returns", written, Err(Errno::EFAULT))?;
    check_text("the file", proc_file::read()?, proc_file::BAD_ADDRESS)?;
    logged(&mut log, proc_file::BAD_ADDRESS)
}

fn esrch_is_no_failure() -> Result<()> {
    for parameters in ["", "strict=0"] {
        let module = module::load_with(parameters)?;
        for command in ["FILTER|nobody\n", "DEL|nobody\n"] {
            let mut log = KernelLog::from_now()?;
            check_text(command, proc_file::answer(command)?, proc_file::NO_PROCESS)?;
            logged(&mut log, proc_file::NO_PROCESS)?;
        }
        module.unload()?;
    }
    Ok(())
}

fn esrch_when_strict() -> Result<()> {
    let _helper = Helper::worker("present", "plain", None)?;
    let _module = module::load_with("strict=1")?;
    for command in ["FILTER|nobody\n", "DEL|nobody\n"] {
        fails_with(command, Errno::ESRCH, proc_file::NO_PROCESS).context(command)?;
    }
    proc_file::line_of("present")?;
    check_text(
        "DEL",
        proc_file::answer("DEL|present\n")?,
        proc_file::SUCCESS,
    )?;
    fails_with("DEL|present\n", Errno::ESRCH, proc_file::NO_PROCESS)
}

/// The table's ENOENT: no file, no module.
fn enoent_without_the_module() -> Result<()> {
    module::load()?.unload()?;
    let error = std::fs::File::open(proc_file::PATH)
        .map(drop)
        .map_err(|error| error.kind());
    check_eq("opening the file", error, Err(std::io::ErrorKind::NotFound))
}

fn success_logs_no_error() -> Result<()> {
    let _helper = Helper::worker("present", "plain", None)?;
    let mut log = KernelLog::from_now()?;
    let module = module::load()?;
    for command in ["ALL\n", "FILTER|present\n", "DEL|present\n", "RESET\n"] {
        proc_file::answer(command)?;
    }
    module.unload()?;
    check_eq("errors in the kernel log", log.errors()?, Vec::new())
}

/// A signal that does not kill does not cut a command short.
fn other_signals_do_not_interrupt() -> Result<()> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn take(_: libc::c_int) {
        TAKEN.fetch_add(1, Ordering::Relaxed);
    }

    let _bulk = bulk()?;
    let _module = module::load()?;
    let action = SigAction::new(SigHandler::Handler(take), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only counts.
    unsafe { sigaction(Signal::SIGALRM, &action) }?;
    let every = |microseconds| -> Result<()> {
        let interval = libc::timeval {
            tv_sec: 0,
            tv_usec: microseconds,
        };
        let timer = libc::itimerval {
            it_interval: interval,
            it_value: interval,
        };
        // SAFETY: setitimer(2) only reads the timer.
        let status = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
        Errno::result(status)
            .map(drop)
            .context("cannot set a timer")
    };
    let file = proc_file::open()?;
    every(2000)?;
    let written = [(); 8].map(|()| proc_file::write(&file, b"RESET\n"));
    every(0)?;
    check_eq("what the RESETs return", written, [Ok(6); 8])?;
    ensure!(
        TAKEN.load(Ordering::Relaxed) > 0,
        "no signal came while RESET ran"
    );
    Ok(())
}

/// Enough processes and pages for a RESET to take its time.
fn bulk() -> Result<Vec<Helper>> {
    let pages: Vec<u8> = (0..64).collect();
    crowd(&pages, (0..300).map(|_| "bulk".into()))
}

/// A RESET whose process is killed in its middle changes nothing, and does not go on for long.
fn killed_reset_keeps_the_data() -> Result<()> {
    const ATTEMPTS: u32 = 24;
    let _bulk = bulk()?;
    let _module = module::load()?;
    let started = Instant::now();
    proc_file::reset()?;
    let usual = started.elapsed();

    let mut cut_short = 0;
    for attempt in 0..ATTEMPTS {
        let old = proc_file::all()?;
        // What a RESET that went through would add.
        let marker = format!("marker-{attempt}");
        let _marker = Helper::worker(&marker, "plain", None)?;
        let delay = usual.mul_f64(f64::from(attempt) / f64::from(ATTEMPTS));
        let status = kill_in_reset(delay)?;
        let now = proc_file::all()?;
        let done = now.iter().any(|line| line.name == marker.as_bytes());
        if !done {
            check_eq("the data after a killed RESET", &now, &old)?;
            cut_short += u32::from(matches!(status, WaitStatus::Signaled(..)));
        } else {
            let bulk = now
                .iter()
                .find(|line| line.name == b"bulk")
                .context("a RESET lost a set")?;
            check_eq(
                "processes after a RESET that was killed late",
                bulk.pids.len(),
                300,
            )?;
        }
    }
    ensure!(
        cut_short > 0,
        "none of {ATTEMPTS} RESETs of {} ms was cut short by SIGKILL",
        usual.as_millis()
    );
    Ok(())
}

fn kill_in_reset(delay: Duration) -> Result<WaitStatus> {
    let file = proc_file::open()?;
    let (ready, signal_ready) = child::pipe()?;
    let mut signal_ready = Some(signal_ready);
    let child = child::start(|| {
        drop(signal_ready.take());
        proc_file::write(&file, b"RESET\n").map(drop)
    })?;
    drop(signal_ready);
    // The child closes its end right before it writes.
    let _ = std::io::Read::read(&mut &ready, &mut [0])?;
    std::thread::sleep(delay);
    kill(child, Signal::SIGKILL)?;
    let status = waitpid(child, None)?;
    ensure!(
        !matches!(status, WaitStatus::Exited(_, code) if code != 0),
        "the RESET failed by itself: {status:?}"
    );
    Ok(status)
}
