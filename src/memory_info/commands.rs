// SPDX-License-Identifier: GPL-2.0-only

//! The commands of `/proc/memory_info`.

use crate::scan::{scan, ScanWorkers};
use crate::snapshot::Snapshot;
use abstractions::errno::error_of;
use abstractions::random::get_random_u64;
use abstractions_task::wait_queue::KillableQueue;
use abstractions_workqueue::queue::{Tuning, WorkQueue};
use abstractions_workqueue::reclaimer::Reclaimer;
use command_file::handler::{Callers, CommandHandler, Reply};
use command_file::text::TextBudget;
use kernel::prelude::*;
use logic::comm::Comm;
use logic::command_line::CommandFailure;
use logic::text::{BufferFull, Print, Sink};
use logic_memory_info::command::Command;
use logic_memory_info::failure::Failure;
use logic_memory_info::page_hash::Sampling;
use protocol::coalescer::{RunError, SharedFailure};
use protocol::database::Database;

/// Number of lines that are printed in one RCU read-side critical section.
const LINES_PER_SECTION: usize = 64;

/// A failure of a scan, which callers of RESET may share.
#[derive(Clone, Copy)]
pub(crate) struct ScanFailure(Failure);

impl SharedFailure for ScanFailure {
    fn is_private(self) -> bool {
        self.0 == Failure::Interrupted
    }
}

/// The published data and the commands on it.
pub(crate) struct Commands {
    database: Database<Snapshot, ScanFailure, KillableQueue>,
    /// Frees replaced data a grace period later, so that RESET does not wait for it.
    reclaimer: Reclaimer,
    /// True if a write fails when no process has the name.
    strict: bool,
    workers: ScanWorkers,
}

impl Commands {
    /// Creates the commands without data. A scan uses up to so many `workers`; 0 stands for one on each CPU. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub(crate) fn new(strict: bool, workers: usize) -> Result<Self> {
        let queue = WorkQueue::new(c"memory_info", Tuning::Sysfs)?;
        Ok(Self {
            database: Database::new(GFP_KERNEL)?,
            reclaimer: Reclaimer::new(c"memory_info_free", GFP_KERNEL)?,
            strict,
            workers: ScanWorkers::new(queue, workers),
        })
    }

    /// Runs the first scan, when the module is loaded. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted, and EINTR after a fatal signal.
    pub(crate) fn populate(&self) -> Result {
        self.reset().map(drop).map_err(|failure| {
            self.log(failure);
            error_of(failure.errno())
        })
    }

    fn reset(&self) -> Result<Reply, Failure> {
        let stop = || self.database.is_closing();
        let scan = || {
            let sampling = Sampling::new(get_random_u64());
            scan(&self.workers, sampling, &stop).map_err(ScanFailure)
        };
        let reclaim = |old| self.reclaimer.drop_later(old);
        match self.database.reset(scan, reclaim) {
            Ok(()) => Ok(Reply::Success),
            Err(RunError::Interrupted) => Err(Failure::Interrupted),
            Err(RunError::Closing) => Err(Failure::Closing),
            Err(RunError::Failed(ScanFailure(failure))) => Err(failure),
        }
    }

    /// Executes ALL. All lines are of one snapshot: those of the sets that exist during the whole command,
    /// and none of a set that was deleted before it.
    fn all(&self, texts: &TextBudget) -> Result<Reply, Failure> {
        match self.database.snapshot() {
            Some(snapshot) => {
                let text = texts.print_within(snapshot.printed_len(), &AllSets(&snapshot))?;
                Ok(Reply::Text(text))
            }
            None => Ok(Reply::Text(texts.with_room(0)?)),
        }
    }

    fn filter(&self, name: &[u8], texts: &TextBudget) -> Result<Reply, Failure> {
        let comm = Comm::new(name).ok_or(Failure::NoSuchProcess)?;
        let mut text = texts.with_room(0)?;
        loop {
            // Allocation is not possible in the critical section: measure, allocate, and print again.
            let missing = self.database.read(|snapshot, guard| {
                let group = snapshot.and_then(|snapshot| snapshot.group(&comm, guard));
                let set = group.ok_or(Failure::NoSuchProcess)?.as_set(&comm);
                Ok::<_, Failure>(match set.append_to(text.as_mut()) {
                    Ok(()) => None,
                    Err(_) => Some(set.printed_len()),
                })
            })?;
            match missing {
                None => return Ok(Reply::Text(text)),
                Some(len) => text = texts.with_room(len)?,
            }
        }
    }

    fn delete(&self, name: &[u8]) -> Result<Reply, Failure> {
        let comm = Comm::new(name).ok_or(Failure::NoSuchProcess)?;
        if self.database.delete(&comm) {
            Ok(Reply::Success)
        } else {
            Err(Failure::NoSuchProcess)
        }
    }
}

impl CommandHandler for Commands {
    type Failure = Failure;
    const IS_PRIVATE: bool = false;
    type Rights = ();

    fn rights_of_caller(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn execute(
        &self,
        written: &[u8],
        _callers: Callers<()>,
        texts: &TextBudget,
    ) -> Result<Reply, Failure> {
        match Command::parse(written).map_err(Failure::from)? {
            Command::Reset => self.reset(),
            Command::All => self.all(texts),
            Command::Filter(name) => self.filter(name, texts),
            Command::Del(name) => self.delete(name),
        }
    }

    fn log(&self, failure: Failure) {
        pr_err!("{}", failure.line());
    }

    fn log_left_out(&self, failures: u32) {
        pr_err!("{failures} errors of callers without CAP_SYS_ADMIN were left out\n");
    }

    fn fails_write(&self, failure: Failure) -> bool {
        self.strict || failure != Failure::NoSuchProcess
    }

    fn close(&self) {
        self.database.close();
    }
}

/// Prints all sets of a snapshot, one line each.
struct AllSets<'a>(&'a Snapshot);

impl Print for AllSets<'_> {
    fn print(&self, to: &mut impl Sink) -> Result<(), BufferFull> {
        for section in self.0.order().chunks(LINES_PER_SECTION) {
            let guard = kernel::sync::rcu::read_lock();
            for comm in section {
                if let Some(group) = self.0.group(comm, &guard) {
                    group.as_set(comm).print(to)?;
                }
            }
        }
        Ok(())
    }
}
