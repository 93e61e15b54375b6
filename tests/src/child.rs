// SPDX-License-Identifier: GPL-2.0-only

//! Children of a test that go on with its code. [`crate::helper`] has programs instead.

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe2, ForkResult, Pid};
use std::fs::File;

/// What a child ends with.
pub type Outcome = Result<(), Errno>;

/// Makes a pipe that ends with an exec. Returns its reading and its writing end.
pub fn pipe() -> Result<(File, File)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    Ok((reader.into(), writer.into()))
}

/// Forks a child that does `then`, and ends with its error's number as its status.
pub fn start(then: impl FnOnce() -> Outcome) -> Result<Pid> {
    // SAFETY: this process has one thread, so the child may do what it could do.
    match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => end_with(then()),
        ForkResult::Parent { child } => Ok(child),
    }
}

/// What `then` leads to in a child.
pub fn run(then: impl FnOnce() -> Outcome) -> Result<Outcome> {
    match waitpid(start(then)?, None)? {
        WaitStatus::Exited(_, 0) => Ok(Ok(())),
        WaitStatus::Exited(_, status) => Ok(Err(Errno::from_raw(status))),
        status => bail!("the child failed: {status:?}"),
    }
}

/// Forks a child that has the pid `pid`, which must be free, and does `then` as with [`start`].
///
/// Kernel documentation: clone(2), `set_tid`.
pub fn start_as(pid: Pid, then: impl FnOnce() -> Outcome) -> Result<Pid, Errno> {
    let pids = [pid.as_raw()];
    // SAFETY: zeros are valid values of these integers.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = pids.as_ptr() as u64;
    arguments.set_tid_size = 1;
    // SAFETY: a fork; this process has one thread, so the child may do what it could do.
    let child = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    match Errno::result(child)? {
        0 => end_with(then()),
        child => Ok(Pid::from_raw(child as i32)),
    }
}

fn end_with(outcome: Outcome) -> ! {
    std::process::exit(outcome.map_or_else(|errno| errno as i32, |()| 0))
}
