// SPDX-License-Identifier: GPL-2.0-only

//! The processes of a run: each place is held by one process, and by another one when that was killed.

use crate::board::Board;
use crate::child;
use crate::complaints::Complaints;
use crate::shells::script::{self, Program};
use crate::subject::Subject;
use crate::{churn, store, storm, worker, Options};
use anyhow::{Context, Result};
use fastrand::Rng;
use nix::errno::Errno;
use nix::sys::signal::{killpg, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{setpgid, Pid};
use std::time::{Duration, Instant};

/// How long processes may take to end when they are asked to.
const END_LIMIT: Duration = Duration::from_secs(180);

/// So that hundreds of shells do not keep the supervisor from its work.
const SUPERVISOR_NICE: i32 = -10;

struct Place {
    /// Leads a process group of its own; none between two holders.
    holder: Option<Pid>,
    was_killed: bool,
    generation: u32,
}

/// All places: first the shells or programs, then the storm, then the churning processes; on moddb, all but the programs
/// make namespaces.
pub struct Crew {
    subject: Subject,
    board: Board,
    complaints: Complaints,
    shells: usize,
    programs: Vec<Program>,
    /// Tells the names of this run from those of another.
    run: String,
    rng: Rng,
    places: Vec<Place>,
}

impl Crew {
    /// Places that this many processes hold at most.
    pub fn places(options: &Options) -> usize {
        usize::from(options.shells) + 1 + usize::from(options.churn)
    }

    /// Starts all processes.
    pub fn start(
        options: &Options,
        board: Board,
        complaints: Complaints,
        seed: u64,
    ) -> Result<Self> {
        nix::sys::prctl::set_child_subreaper(true).context("cannot adopt orphans")?;
        set_nice(SUPERVISOR_NICE).context("cannot raise this process's priority")?;
        let mut crew = Self {
            subject: options.module,
            board,
            complaints,
            shells: options.shells.into(),
            programs: script::programs(),
            run: run_name(),
            rng: Rng::with_seed(seed),
            places: Vec::new(),
        };
        for place in 0..Self::places(options) {
            crew.places.push(Place {
                holder: None,
                was_killed: false,
                generation: 0,
            });
            crew.fill(place)?;
        }
        board.begin();
        Ok(crew)
    }

    fn fill(&mut self, place: usize) -> Result<()> {
        let generation = self.places[place].generation;
        let mut rng = self.rng.fork();
        let (board, complaints) = (self.board, &self.complaints);
        let pid = child::start(|| {
            // As its parent does: whoever comes first.
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            if set_nice(0).is_err() {
                return 1;
            }
            board.wait_for_begin();
            let is_shell = place < self.shells;
            if self.subject == Subject::Moddb && is_shell {
                let plan = store::Plan {
                    board,
                    place,
                    generation,
                    prefix: format!("{}{place}.{generation}", self.run),
                    seed: rng.u64(..),
                };
                store::run_worker(&plan, complaints)
            } else if self.subject == Subject::Moddb {
                store::run_in_namespaces(board, place, complaints, rng)
            } else if place == self.shells {
                storm::run(board, place, complaints, rng)
            } else if !is_shell {
                churn::run(board, rng)
            } else {
                let plan = worker::Plan {
                    board,
                    place,
                    shells: self.shells,
                    prefix: format!("{}{place}.{generation}", self.run),
                    programs: self.programs.clone(),
                    seed: rng.u64(..),
                };
                worker::run(&plan, complaints)
            }
        })
        .context("cannot start a process")?;
        let _ = setpgid(pid, pid);
        self.places[place] = Place {
            holder: Some(pid),
            was_killed: false,
            generation: generation + 1,
        };
        Ok(())
    }

    /// Kills a shell, its processes with it.
    pub fn kill_one(&mut self) {
        let place = &mut self.places[self.rng.usize(..self.shells)];
        if let Some(pid) = place.holder {
            place.was_killed = true;
            // It may just have ended.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }

    /// Reaps who ended, and fills the places of those who were killed. Returns what went wrong.
    pub fn tend(&mut self) -> Result<Vec<String>> {
        let mut failures = Vec::new();
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(failures),
                Err(Errno::EINTR) => continue,
                other => other.context("cannot wait for the processes of this run")?,
            };
            let held = |place: &Place| place.holder.is_some() && place.holder == status.pid();
            // Others are orphans of shells that were killed.
            let Some(index) = self.places.iter().position(held) else {
                continue;
            };
            let place = &mut self.places[index];
            place.holder = None;
            let stopping = self.board.is_stopping();
            match status {
                WaitStatus::Exited(_, 0) if stopping => {}
                WaitStatus::Signaled(_, Signal::SIGKILL, _) if place.was_killed => {}
                status => failures.push(format!("{} ended: {status:?}", self.describe(index))),
            }
            if !stopping {
                self.fill(index)?;
            }
        }
    }

    /// Waits until all have ended, and kills what does not. Returns what went wrong.
    pub fn end(mut self) -> Result<Vec<String>> {
        self.board.stop();
        let deadline = Instant::now() + END_LIMIT;
        let mut failures = Vec::new();
        while Instant::now() < deadline && self.places.iter().any(|place| place.holder.is_some()) {
            failures.extend(self.tend()?);
            std::thread::sleep(Duration::from_millis(5));
        }
        for (index, place) in self.places.iter().enumerate() {
            if let Some(pid) = place.holder {
                failures.push(format!(
                    "{} did not end in {END_LIMIT:?}",
                    self.describe(index)
                ));
                killpg(pid, Signal::SIGKILL)?;
            }
        }
        while !matches!(waitpid(None, None), Err(Errno::ECHILD)) {
            if Instant::now() > deadline + END_LIMIT {
                failures.push("processes that were killed do not end".into());
                break;
            }
        }
        Ok(failures)
    }

    fn describe(&self, place: usize) -> String {
        match place.checked_sub(self.shells) {
            None => format!("shell {place}"),
            Some(0) => "the storm".into(),
            Some(number) => format!("churn {number}"),
        }
    }
}

fn set_nice(nice: i32) -> nix::Result<()> {
    // SAFETY: changes no memory.
    let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    Errno::result(set).map(drop)
}

/// Two characters that are likely others in another run.
fn run_name() -> String {
    let mut rng = Rng::new();
    std::iter::repeat_with(|| rng.lowercase()).take(2).collect()
}
