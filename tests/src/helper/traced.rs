// SPDX-License-Identifier: GPL-2.0-only

//! Processes that execve(2) stops before the first instruction of the program.

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A process that is stopped before its first instruction. Dropping this kills it.
pub struct Traced(Pid);

impl Traced {
    /// Starts the program and waits until execve(2) has stopped it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let trace_me = || {
            let null = std::ptr::null_mut::<libc::c_void>();
            // SAFETY: By the contract of ptrace(2), PTRACE_TRACEME ignores its other arguments.
            let status = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null, null) };
            Errno::result(status).map(drop).map_err(Into::into)
        };
        // SAFETY: By the contract of `pre_exec`, async-signal-safe calls are permitted; this is a single system call.
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

    /// Returns the process id.
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
