// SPDX-License-Identifier: GPL-2.0-only

//! Helper processes of a test: they have a known memory layout, do not change, and must live until the test ends them.

pub mod crowd;
pub mod fuse_file;
pub mod repeater;
pub mod tiny_elf;
pub mod traced;

use anyhow::{bail, ensure, Context, Result};
use guest::child::{self, hold, Outcome};
use nix::errno::Errno;
use nix::sys::signal::{kill, killpg, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{setpgid, Pid};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time limit for a helper to set itself up.
const SETUP_LIMIT: Duration = Duration::from_secs(120);

/// Descriptions of the helpers that ended before they were dropped.
static ENDED_EARLY: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A helper process, which leads a process group. Dropping it kills the group, and notes if the process has ended by itself.
pub struct Helper {
    leader: Pid,
    what: String,
    /// Open end of the standard input, so that a program that waits for input continues to wait.
    _input: Option<ChildStdin>,
}

impl Helper {
    /// Starts this program as a worker of the given shape with the name `comm`, and waits until it has set up its memory
    /// and stopped itself.
    pub fn worker(comm: &str, shape: &str, argument: Option<&str>) -> Result<Self> {
        let mut command = worker_command(comm, shape, argument)?;
        Self::that_stops(&mut command, format!("worker {shape} named {comm}"))
    }

    /// Starts a program that stops itself when it is ready, and waits until then. `what` describes it in errors.
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
                status => bail!("{} did not stop itself: {status:?}", self.what),
            }
        }
    }

    /// Starts any program, waits until it sleeps and has the name `comm`, and stops it.
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
                "{} does not sleep: its name is {} and its state is {}",
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

    /// Starts a program and does not wait for it. `what` describes it in errors.
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

    /// Forks a process that runs `body`, and does not wait for it. `what` describes it in errors.
    pub fn fork(what: &str, body: impl FnOnce() -> Outcome) -> Result<Self> {
        let leader = child::start(|| {
            setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            body()
        })
        .with_context(|| format!("cannot fork {what}"))?;
        // Parent and child both set the group, so that it is set whichever of them runs first. Fails if the child has
        // ended.
        let _ = setpgid(leader, leader);
        Ok(Self {
            leader,
            what: what.to_owned(),
            _input: None,
        })
    }

    /// Forks a process that runs `body` and then stops itself, and waits until then.
    pub fn fork_that_stops(what: &str, body: impl FnOnce() -> Outcome) -> Result<Self> {
        let helper = Self::fork(what, || {
            body()?;
            hold()
        })?;
        helper.wait_until_stopped()?;
        Ok(helper)
    }

    /// Kills the process and waits until it has ended. Fails if it has ended by itself.
    pub fn kill(self) -> Result<()> {
        let (leader, what) = (self.leader, self.what.clone());
        std::mem::forget(self);
        killpg(leader, Signal::SIGKILL)?;
        let status = child::wait(leader)?;
        ensure!(
            matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
            "{what} ended by itself: {status:?}"
        );
        Ok(())
    }

    /// Lets a process that has stopped itself go on.
    pub fn go_on(&self) -> Result<()> {
        killpg(self.leader, Signal::SIGCONT)
            .with_context(|| format!("cannot continue {}", self.what))
    }

    /// Returns the process id of the helper.
    pub fn pid(&self) -> i32 {
        self.leader.as_raw()
    }

    /// Waits until the process ends. Fails unless it ends with success before `deadline`.
    pub fn finish(self, deadline: Instant) -> Result<()> {
        loop {
            match waitpid(self.leader, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => ensure!(
                    Instant::now() < deadline,
                    "{} (pid {}) did not end in time",
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

/// Returns the command that starts this program as a worker.
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

/// Returns descriptions of the helpers that ended before they were dropped.
pub fn ended_early() -> Vec<String> {
    ENDED_EARLY
        .lock()
        .map(|ended_early| ended_early.clone())
        .unwrap_or_default()
}

/// Makes this process the new parent of descendants whose parents exit, so that [`reap_all`] finds them.
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true).context("cannot become a subreaper")
}

/// Waits until `process` ends and returns its status. At `deadline`, kills it and returns nothing.
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
            // A process that cannot be examined has exited.
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
            Err(errno) => {
                return Err(errno).context("cannot wait for the processes that a test left running")
            }
        }
    }
}
