// SPDX-License-Identifier: GPL-2.0-only

//! The processes that a shell owns: known pids, names of the shell's own, and memory that does not change
//! while they are at rest.

use crate::area::Area;
use crate::child;
use crate::expectation::Pids;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use nix::sys::mman::ProtFlags;
use nix::sys::signal::{kill, raise, Signal};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::ffi::CString;

struct Member {
    pid: Pid,
    name: usize,
}

/// A shell's processes; all have two names to change between.
pub struct Family {
    names: Vec<Vec<u8>>,
    members: Vec<Member>,
    most: usize,
}

impl Family {
    /// Nobody yet, `most` processes later.
    pub fn new(names: Vec<Vec<u8>>, most: usize) -> Self {
        Self {
            names,
            members: Vec::new(),
            most,
        }
    }

    /// Does one thing: starts a process, ends one, or has one change its name.
    pub fn change(&mut self, rng: &mut Rng) -> Result<()> {
        let at_random = |rng: &mut Rng, members: &[Member]| rng.usize(..members.len());
        match rng.u8(..3) {
            _ if self.members.is_empty() => self.start(rng.usize(..self.names.len())),
            0 if self.members.len() < self.most => self.start(rng.usize(..self.names.len())),
            1 if self.members.len() > 1 => {
                let member = self.members.swap_remove(at_random(rng, &self.members));
                kill(member.pid, Signal::SIGKILL)?;
                let status = child::wait(member.pid)?;
                ensure!(
                    matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
                    "a killed process ended with {status:?}"
                );
                Ok(())
            }
            _ => {
                let index = at_random(rng, &self.members);
                let member = &mut self.members[index];
                kill(member.pid, Signal::SIGCONT)?;
                wait_stopped(member.pid)?;
                member.name = (member.name + 1) % self.names.len();
                Ok(())
            }
        }
    }

    /// Who bears which name.
    pub fn pids(&self) -> Pids {
        let mut pids = vec![Vec::new(); self.names.len()];
        for member in &self.members {
            pids[member.name].push(member.pid.as_raw());
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
        let pid = child::start(|| live(&names, name).map_or(1, |never| match never {}))
            .context("cannot start a process")?;
        wait_stopped(pid)?;
        self.members.push(Member { pid, name });
        Ok(())
    }
}

fn wait_stopped(pid: Pid) -> Result<()> {
    let status = child::wait(pid)?;
    ensure!(
        matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)),
        "a process of this shell must stop, but: {status:?}"
    );
    Ok(())
}

/// Stops; whenever it is woken, it takes its next name and stops again.
fn live(names: &[CString], mut name: usize) -> Result<std::convert::Infallible> {
    let area = Area::new(6)?;
    for page in 0..area.pages() {
        area.fill(page, page as u8 / 2 + 1);
    }
    area.protect(0..area.pages(), ProtFlags::PROT_READ)?;
    // Nothing may be taken away while it rests; nothing more is brought in for that either.
    // SAFETY: changes no memory.
    let locked = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_ONFAULT) };
    nix::errno::Errno::result(locked).context("cannot lock memory")?;
    loop {
        nix::sys::prctl::set_name(&names[name])?;
        raise(Signal::SIGSTOP)?;
        name = (name + 1) % names.len();
    }
}
