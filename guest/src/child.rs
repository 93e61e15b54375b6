// SPDX-License-Identifier: GPL-2.0-only

//! Child processes that continue with the code of their parent.
//!
//! A child hands the error of a system call to its parent as its exit status: 0 for success, else the number of the
//! error, which fits into the eight bits of a status.
//!
//! All functions here fork. The calling process must have a single thread: a child of a process with several threads
//! may not allocate.

use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, getpid, getppid, pipe2, ForkResult, Pid};
use std::fs::File;
use std::io::{self, Read};

/// Result of a child: success, or the error of a system call.
pub type Outcome = Result<(), Errno>;

/// Forks a child that runs `body` and exits with the status that it returns.
///
/// The child is killed when the thread that forked it ends (`PR_SET_PDEATHSIG`), unless `body` changes its
/// credentials. It exits with status 1 if it cannot be bound to its parent.
///
/// # Errors
///
/// Returns the error of fork(2).
pub fn start_with_status(body: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    let parent = getpid();
    // SAFETY: By the requirement of this file, this process has a single thread, so the child may do whatever its
    // parent may do.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let bound = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            exit(if bound.is_ok() && getppid() == parent {
                body()
            } else {
                1
            })
        }
    }
}

/// Forks a child that runs `body` and exits with its error as the status; see [`start_with_status`].
///
/// # Errors
///
/// Returns the error of fork(2).
pub fn start(body: impl FnOnce() -> Outcome) -> Result<Pid, Errno> {
    start_with_status(|| status_of(body()))
}

/// Forks a child with the free process id `pid` that runs `body` and exits with its error as the status. The child is
/// not bound to its parent. Needs `CAP_CHECKPOINT_RESTORE`.
///
/// Manual page: clone(2), `set_tid`.
///
/// # Errors
///
/// Returns the error of clone3(2): `EEXIST` if the process id is in use.
pub fn start_with_pid(pid: Pid, body: impl FnOnce() -> Outcome) -> Result<Pid, Errno> {
    let pids = [pid.as_raw()];
    // SAFETY: Zeros are valid values of these integers.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = pids.as_ptr() as u64;
    arguments.set_tid_size = 1;
    // SAFETY: The arguments and the array that they point to live during the call, which forks. By the requirement of
    // this file, this process has a single thread, so the child may do whatever its parent may do.
    let child = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    match Errno::result(child)? {
        0 => exit(status_of(body())),
        child => Ok(Pid::from_raw(child as i32)),
    }
}

/// Runs `body` in a child and returns its result.
///
/// # Errors
///
/// Fails if the child cannot be forked or is killed.
pub fn run(body: impl FnOnce() -> Outcome) -> Result<Outcome> {
    outcome(wait(start(body).context("cannot fork")?)?)
}

/// Runs `body` in a child, which writes to the file that it is given. Returns the result of `body` and all that it
/// wrote.
///
/// # Errors
///
/// Fails if the child cannot be forked or is killed.
pub fn capture(
    body: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<(io::Result<()>, Vec<u8>)> {
    let (mut reader, mut writer) = pipe()?;
    let child = start(|| body(&mut writer).map_err(errno_of))?;
    drop(writer);
    let mut written = Vec::new();
    reader.read_to_end(&mut written)?;
    let outcome = outcome(wait(child)?).map_err(io::Error::other)?;
    Ok((outcome.map_err(io::Error::from), written))
}

/// Makes a pipe whose ends are closed by execve(2). Returns its reading and its writing end.
///
/// # Errors
///
/// Returns the error of pipe2(2).
pub fn pipe() -> Result<(File, File), Errno> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((reader.into(), writer.into()))
}

/// Waits until the process `child` ends or stops.
///
/// # Errors
///
/// Returns the error of waitpid(2): `ECHILD` if the process is not a child of the caller.
pub fn wait(child: Pid) -> Result<WaitStatus, Errno> {
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
            Err(Errno::EINTR) => {}
            status => return status,
        }
    }
}

/// Waits until the process `child` stops itself.
///
/// # Errors
///
/// Fails if the process ends instead.
pub fn wait_until_stopped(child: Pid) -> Result<()> {
    let status = wait(child)?;
    ensure!(
        matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)),
        "process {child} did not stop: {status:?}"
    );
    Ok(())
}

/// Stops this process for good: each time that it is continued, it stops again.
pub fn hold() -> ! {
    loop {
        // The signal goes to a process id: in a child that shares the memory of its parent, libc would use the thread id
        // of the parent.
        let _ = kill(Pid::this(), Signal::SIGSTOP);
    }
}

/// Returns the result that a child of [`start`] handed over in its status.
///
/// # Errors
///
/// Fails if the child did not exit by itself.
pub fn outcome(status: WaitStatus) -> Result<Outcome> {
    match status {
        WaitStatus::Exited(_, 0) => Ok(Ok(())),
        WaitStatus::Exited(_, errno) => Ok(Err(Errno::from_raw(errno))),
        status => bail!("a child process failed: {status:?}"),
    }
}

/// Returns the number of a system call's error, or `EIO` if the error is not one of a system call.
pub fn errno_of(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn status_of(outcome: Outcome) -> i32 {
    outcome.map_or_else(|errno| errno as i32, |()| 0)
}

/// Ends this process without the exit handlers of its parent.
fn exit(status: i32) -> ! {
    // SAFETY: The process ends here; nothing of it is used afterwards.
    unsafe { libc::_exit(status) }
}
