// SPDX-License-Identifier: GPL-2.0-only

//! Helper processes: started with a known memory layout, held still, and required to survive until the
//! test lets go of them.

use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, killpg, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a helper may take to set itself up.
const SETUP_LIMIT: Duration = Duration::from_secs(120);

static ENDED_EARLY: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A process group led by a stopped or waiting process; killed when this goes.
pub struct Helper {
    leader: Pid,
    what: String,
    /// Kept open, so that a program that waits for input goes on waiting.
    _input: Option<ChildStdin>,
}

impl Helper {
    /// Starts this program as a worker named `comm` of the given shape and waits until it has stopped
    /// itself with its memory set up.
    pub fn worker(comm: &str, shape: &str, argument: Option<&str>) -> Result<Self> {
        let mut command = worker_command(comm, shape, argument)?;
        Self::that_stops(&mut command, format!("worker {shape} named {comm}"))
    }

    /// Starts a program that stops itself when it is ready.
    pub fn that_stops(command: &mut Command, what: String) -> Result<Self> {
        let helper = Self::start(command, what)?;
        helper.wait_until_stopped()?;
        Ok(helper)
    }

    /// Waits until the process has stopped itself.
    pub fn wait_until_stopped(&self) -> Result<()> {
        let deadline = Instant::now() + SETUP_LIMIT;
        loop {
            match waitpid(
                self.leader,
                Some(WaitPidFlag::WUNTRACED | WaitPidFlag::WNOHANG),
            )? {
                WaitStatus::Stopped(_, Signal::SIGSTOP) => return Ok(()),
                WaitStatus::StillAlive if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                status => bail!("{} was not ready: {status:?}", self.what),
            }
        }
    }

    /// Starts any program, waits until it sleeps under the name `comm`, and stops it.
    pub fn stopped(command: &mut Command, comm: &str) -> Result<Self> {
        let helper = Self::start(command.stdin(Stdio::piped()), format!("program {comm}"))?;
        let deadline = Instant::now() + SETUP_LIMIT;
        loop {
            let stat = procfs::process::Process::new(helper.leader.as_raw())?.stat()?;
            if stat.comm == comm && stat.state == 'S' {
                break;
            }
            ensure!(
                Instant::now() < deadline && stat.state != 'Z',
                "{} does not settle: it is named {} and its state is {}",
                helper.what,
                stat.comm,
                stat.state
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        kill(helper.leader, Signal::SIGSTOP)?;
        waitpid(helper.leader, Some(WaitPidFlag::WUNTRACED))?;
        Ok(helper)
    }

    /// Starts a program that runs on by itself.
    pub fn start(command: &mut Command, what: String) -> Result<Self> {
        let mut child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {what}"))?;
        Ok(Self {
            leader: Pid::from_raw(child.id() as i32),
            what,
            _input: child.stdin.take(),
        })
    }

    /// The group leader's process id.
    pub fn pid(&self) -> i32 {
        self.leader.as_raw()
    }

    /// Waits until the process ends, which it must do with success before `deadline`.
    pub fn finish(self, deadline: Instant) -> Result<()> {
        loop {
            match waitpid(self.leader, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => ensure!(
                    Instant::now() < deadline,
                    "{} (pid {}) does not end",
                    self.what,
                    self.leader
                ),
                status => {
                    let what = self.what.clone();
                    std::mem::forget(self);
                    ensure!(
                        matches!(status, WaitStatus::Exited(_, 0)),
                        "{what} failed: {status:?}"
                    );
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        match waitpid(self.leader, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                let _ = killpg(self.leader, Signal::SIGKILL);
                let _ = waitpid(self.leader, None);
            }
            ended => note_ended_early(format!("{} ended by itself: {ended:?}", self.what)),
        }
    }
}

/// The command that makes this program a worker.
pub fn worker_command(comm: &str, shape: &str, argument: Option<&str>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["worker", comm, shape])
        .args(argument)
        .stdin(Stdio::null());
    Ok(command)
}

fn note_ended_early(what: String) {
    if let Ok(mut ended_early) = ENDED_EARLY.lock() {
        ended_early.push(what);
    }
}

/// The helpers that ended before the test let go of them.
pub fn ended_early() -> Vec<String> {
    ENDED_EARLY
        .lock()
        .map(|ended_early| ended_early.clone())
        .unwrap_or_default()
}

/// Makes this process the parent of descendants whose parents end, so that [`reap_all`] finds them.
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).context("cannot become a subreaper")
}

/// Waits for `process` until `deadline`, then kills it and returns nothing.
pub fn wait_until(process: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            process.kill()?;
            process.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills and reaps every descendant of this process.
pub fn reap_all() -> Result<()> {
    let own = Pid::this().as_raw();
    loop {
        for process in procfs::process::all_processes().context("cannot list processes")? {
            // One that cannot be looked at any more is gone.
            let Ok(stat) = process.and_then(|process| process.stat()) else {
                continue;
            };
            if stat.ppid == own {
                let _ = kill(Pid::from_raw(stat.pid), Signal::SIGKILL);
            }
        }
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(()),
            Err(errno) => return Err(errno).context("cannot wait for what a test left running"),
        }
    }
}
