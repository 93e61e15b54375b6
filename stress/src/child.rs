// SPDX-License-Identifier: GPL-2.0-only

//! Forked processes.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, getpid, getppid, pipe2, ForkResult, Pid};
use std::fs::File;
use std::io::{self, Read};

/// Forks; the child does `act` and ends with its result as its status. It dies with its parent.
pub fn start(act: impl FnOnce() -> i32) -> io::Result<Pid> {
    let parent = getpid();
    // SAFETY: no process of this program has a second thread, so the child may do what its parent may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let bound = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            let status = if bound.is_ok() && getppid() == parent {
                act()
            } else {
                1
            };
            // SAFETY: ends this process without the parent's exit handlers.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Has a child do `act`, which writes to the file it is given. Returns whether it went well, with the
/// error of the child's system call if not, and what it wrote.
pub fn ask(act: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<(io::Result<()>, Vec<u8>)> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC)?;
    let (mut from, mut to) = (File::from(from), File::from(to));
    let child = start(|| errno_of(&act(&mut to)))?;
    drop(to);
    let mut text = Vec::new();
    from.read_to_end(&mut text)?;
    let done = match wait(child)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, errno) => Err(io::Error::from_raw_os_error(errno)),
        status => Err(io::Error::other(format!("a child ended with {status:?}"))),
    };
    Ok((done, text))
}

/// Has a child do `act`; its error is that of the child's system call.
pub fn run(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    ask(|_| act())?.0
}

/// Waits for a process to end or stop.
pub fn wait(child: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(child, Some(nix::sys::wait::WaitPidFlag::WUNTRACED)) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// The status by which a child hands on the error of a system call; 0 if there is none.
fn errno_of(result: &io::Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    }
}
