// SPDX-License-Identifier: GPL-2.0-only

//! Programs that are stopped by `execve(2)` itself, before their first instruction.

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Such a program; killed when this goes.
pub struct Traced(Pid);

impl Traced {
    /// Starts it and waits until it has stopped.
    pub fn start(command: &mut Command) -> Result<Self> {
        let trace_me = || {
            let null = std::ptr::null_mut::<libc::c_void>();
            // SAFETY: PTRACE_TRACEME takes no more arguments; it makes execve(2) stop.
            let status = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null, null) };
            Errno::result(status).map(drop).map_err(Into::into)
        };
        // SAFETY: a system call may be made between fork and exec.
        let child = unsafe { command.pre_exec(trace_me) }
            .spawn()
            .context("cannot start a traced program")?;
        let traced = Self(Pid::from_raw(child.id() as i32));
        let status = waitpid(traced.0, None)?;
        ensure!(
            matches!(status, WaitStatus::Stopped(_, Signal::SIGTRAP)),
            "a traced program did not stop: {status:?}"
        );
        Ok(traced)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.0.as_raw()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}
