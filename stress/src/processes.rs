// SPDX-License-Identifier: GPL-2.0-only

//! The processes of a run. Each of its slots is filled by one process, and by a new one after that was killed.

use crate::failure_reports::ReportSender;
use crate::options::Options;
use crate::shared_state::SharedState;
use crate::shells::script::{self, Program};
use crate::subject::Subject;
use crate::{churn, concurrent_resets, moddb, shared_tables, stopped_set, worker};
use anyhow::{Context, Result};
use fastrand::Rng;
use guest::child;
use nix::errno::Errno;
use nix::sys::signal::{killpg, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{setpgid, Pid};
use std::time::{Duration, Instant};

/// Time in which processes must end when they are asked to.
const END_LIMIT: Duration = Duration::from_secs(180);

/// Priority of the supervisor, which hundreds of shells must not keep from running.
const SUPERVISOR_NICE: i32 = -10;

struct Slot {
    /// Leader of a process group of its own; none after a process ended and before the next one is started.
    process: Option<Pid>,
    was_killed: bool,
    generation: u32,
}

/// Slots between those of the shells and those of the churning processes in a run on `memory_info`: concurrent RESETs,
/// the set of stopped processes, and shared page tables.
const SPECIAL: usize = 3;

/// All slots: first the shells or programs, then processes of which there is one each, then the churning processes. In
/// a run on moddb, all but the programs make network namespaces.
pub struct Processes {
    subject: Subject,
    state: SharedState,
    reports: ReportSender,
    shells: usize,
    programs: Vec<Program>,
    /// Prefix of the names of this run, which tells them from those of another one.
    run: String,
    rng: Rng,
    slots: Vec<Slot>,
}

impl Processes {
    /// Returns the number of slots that a run has.
    pub fn slots(options: &Options) -> usize {
        let special = match options.module {
            Subject::MemoryInfo => SPECIAL,
            Subject::Moddb => 1,
        };
        usize::from(options.shells) + special + usize::from(options.churn)
    }

    /// Starts a process in each slot.
    pub fn start(
        options: &Options,
        state: SharedState,
        reports: ReportSender,
        seed: u64,
    ) -> Result<Self> {
        nix::sys::prctl::set_child_subreaper(true).context("cannot adopt orphans")?;
        set_nice(SUPERVISOR_NICE).context("cannot raise the priority of this process")?;
        let mut processes = Self {
            subject: options.module,
            state,
            reports,
            shells: options.shells.into(),
            programs: script::programs(),
            run: run_name(),
            rng: Rng::with_seed(seed),
            slots: Vec::new(),
        };
        for slot in 0..Self::slots(options) {
            processes.slots.push(Slot {
                process: None,
                was_killed: false,
                generation: 0,
            });
            processes.fill(slot)?;
        }
        state.begin();
        Ok(processes)
    }

    fn fill(&mut self, slot: usize) -> Result<()> {
        let generation = self.slots[slot].generation;
        let rng = self.rng.fork();
        let pid = child::start_with_status(|| {
            // Parent and child both set the group, so that it is set whichever of them runs first.
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            if set_nice(0).is_err() {
                return 1;
            }
            self.state.wait_for_begin();
            self.run_in_slot(slot, generation, rng)
        })
        .context("cannot start a process")?;
        let _ = setpgid(pid, pid);
        self.slots[slot] = Slot {
            process: Some(pid),
            was_killed: false,
            generation: generation + 1,
        };
        Ok(())
    }

    /// Runs the work of a slot in the calling process; returns its exit status.
    fn run_in_slot(&self, slot: usize, generation: u32, mut rng: Rng) -> i32 {
        let (state, reports) = (self.state, &self.reports);
        let prefix = format!("{}{slot}.{generation}", self.run);
        let is_shell = slot < self.shells;
        match self.subject {
            Subject::Moddb if is_shell => {
                let plan = moddb::Plan {
                    state,
                    slot,
                    generation,
                    prefix,
                    seed: rng.u64(..),
                };
                moddb::run_worker(&plan, reports)
            }
            Subject::Moddb => moddb::run_in_namespaces(state, slot, reports, rng),
            Subject::MemoryInfo if is_shell => {
                let plan = worker::Plan {
                    state,
                    slot,
                    shells: self.shells,
                    prefix,
                    programs: self.programs.clone(),
                    seed: rng.u64(..),
                };
                worker::run(&plan, reports)
            }
            Subject::MemoryInfo => match slot - self.shells {
                0 => concurrent_resets::run(state, slot, reports, rng),
                1 => stopped_set::run(state, slot, &prefix, reports, rng),
                2 => shared_tables::run(state, rng),
                _ => churn::run(state, rng),
            },
        }
    }

    /// Kills a random shell together with its processes.
    pub fn kill_one(&mut self) {
        let slot = &mut self.slots[self.rng.usize(..self.shells)];
        if let Some(pid) = slot.process {
            slot.was_killed = true;
            // Fails if it has just ended.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }

    /// Reaps the processes that ended, and starts new ones in their slots unless the run is stopping. Returns a
    /// description of each process that failed.
    pub fn reap_and_restart(&mut self) -> Result<Vec<String>> {
        let mut failures = Vec::new();
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(failures),
                Err(Errno::EINTR) => continue,
                other => other.context("cannot wait for the processes of this run")?,
            };
            let has_ended = |slot: &Slot| slot.process.is_some() && slot.process == status.pid();
            // All others are orphans of shells that were killed.
            let Some(index) = self.slots.iter().position(has_ended) else {
                continue;
            };
            let slot = &mut self.slots[index];
            slot.process = None;
            let stopping = self.state.is_stopping();
            match status {
                WaitStatus::Exited(_, 0) if stopping => {}
                WaitStatus::Signaled(_, Signal::SIGKILL, _) if slot.was_killed => {}
                status => failures.push(format!("{} ended: {status:?}", self.describe(index))),
            }
            if !stopping {
                self.fill(index)?;
            }
        }
    }

    /// Asks all processes to end, waits for them, and kills those that do not end in [`END_LIMIT`]. Returns a
    /// description of each process that failed.
    pub fn end(mut self) -> Result<Vec<String>> {
        self.state.stop();
        let deadline = Instant::now() + END_LIMIT;
        let mut failures = Vec::new();
        while Instant::now() < deadline && self.slots.iter().any(|slot| slot.process.is_some()) {
            failures.extend(self.reap_and_restart()?);
            std::thread::sleep(Duration::from_millis(5));
        }
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(pid) = slot.process {
                failures.push(format!(
                    "{} did not end in {END_LIMIT:?}",
                    self.describe(index)
                ));
                killpg(pid, Signal::SIGKILL)?;
            }
        }
        while !matches!(waitpid(None, None), Err(Errno::ECHILD)) {
            if Instant::now() > deadline + END_LIMIT {
                failures.push("some processes did not end after SIGKILL".into());
                break;
            }
        }
        Ok(failures)
    }

    fn describe(&self, slot: usize) -> String {
        match (slot.checked_sub(self.shells), self.subject) {
            (None, Subject::MemoryInfo) => format!("shell {slot}"),
            (None, Subject::Moddb) => format!("program {slot}"),
            (Some(number), Subject::Moddb) => format!("maker of namespaces {number}"),
            (Some(0), Subject::MemoryInfo) => "the process of concurrent RESETs".into(),
            (Some(1), Subject::MemoryInfo) => "the set of stopped processes".into(),
            (Some(2), Subject::MemoryInfo) => "the process of shared page tables".into(),
            (Some(number), Subject::MemoryInfo) => {
                format!("churning process {}", number + 1 - SPECIAL)
            }
        }
    }
}

fn set_nice(nice: i32) -> nix::Result<()> {
    // SAFETY: An FFI call with no additional requirements.
    let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    Errno::result(set).map(drop)
}

/// Returns two random letters.
fn run_name() -> String {
    let mut rng = Rng::new();
    std::iter::repeat_with(|| rng.lowercase()).take(2).collect()
}
