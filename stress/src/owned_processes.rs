// SPDX-License-Identifier: GPL-2.0-only

//! The processes that a shell owns: it knows their pids, they have names that no other process has, and their memory
//! does not change while they are stopped.

use crate::expectation::Pids;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use guest::child::{self, wait_until_stopped};
use guest::mapping::{Mapping, RO, RW};
use nix::errno::Errno;
use nix::sys::signal::{kill, raise, Signal};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::convert::Infallible;
use std::ffi::CString;

/// Pages of a process's memory that the shell knows of.
const PAGES: usize = 6;

struct Process {
    pid: Pid,
    /// Index of its current name.
    name: usize,
}

/// Processes of a shell, which take names from the same list.
pub struct OwnedProcesses {
    names: Vec<Vec<u8>>,
    processes: Vec<Process>,
    most: usize,
}

impl OwnedProcesses {
    /// Makes an empty set that will have up to `most` processes.
    pub fn new(names: Vec<Vec<u8>>, most: usize) -> Self {
        Self {
            names,
            processes: Vec::new(),
            most,
        }
    }

    /// Makes one random change: starts a process, kills one, or has one take its next name.
    pub fn change(&mut self, rng: &mut Rng) -> Result<()> {
        let count = self.processes.len();
        match rng.u8(..3) {
            _ if count == 0 => self.start(rng.usize(..self.names.len())),
            0 if count < self.most => self.start(rng.usize(..self.names.len())),
            1 if count > 1 => {
                let process = self.processes.swap_remove(rng.usize(..count));
                kill(process.pid, Signal::SIGKILL)?;
                let status = child::wait(process.pid)?;
                ensure!(
                    matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
                    "a killed process ended with {status:?}"
                );
                Ok(())
            }
            _ => {
                let process = &mut self.processes[rng.usize(..count)];
                kill(process.pid, Signal::SIGCONT)?;
                wait_until_stopped(process.pid)?;
                process.name = (process.name + 1) % self.names.len();
                Ok(())
            }
        }
    }

    /// Returns the pids of the processes by their current names.
    pub fn pids(&self) -> Pids {
        let mut pids = vec![Vec::new(); self.names.len()];
        for process in &self.processes {
            pids[process.name].push(process.pid.as_raw());
        }
        pids.iter_mut().for_each(|of_name| of_name.sort_unstable());
        pids
    }

    fn start(&mut self, name: usize) -> Result<()> {
        let names: Vec<CString> = self
            .names
            .iter()
            .map(|name| CString::new(name.as_slice()))
            .collect::<Result<_, _>>()?;
        let pid = child::start_with_status(|| live(&names, name).map_or(1, |never| match never {}))
            .context("cannot start a process")?;
        wait_until_stopped(pid)?;
        self.processes.push(Process { pid, name });
        Ok(())
    }
}

/// Stops the calling process. Each time it is continued, it takes its next name and stops again.
fn live(names: &[CString], mut name: usize) -> Result<Infallible> {
    let mapping = Mapping::anonymous(PAGES, RW)?;
    mapping.fill_all(|page| page as u64 / 2 + 1);
    mapping.protect(RO)?;
    // The shell compares page counts: no page may be reclaimed while the process is stopped, and none may be populated
    // by the locking.
    // SAFETY: An FFI call with no additional requirements.
    let locked = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_ONFAULT) };
    Errno::result(locked).context("cannot lock memory")?;
    loop {
        nix::sys::prctl::set_name(&names[name])?;
        raise(Signal::SIGSTOP)?;
        name = (name + 1) % names.len();
    }
}
