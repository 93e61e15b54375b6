// SPDX-License-Identifier: GPL-2.0-only

//! What the commands of `/proc/memory_info` do.

use crate::scan::scan;
use crate::snapshot::Snapshot;
use abstractions::errno::error_of;
use abstractions::random::get_random_u64;
use abstractions_workqueue::reclaimer::Reclaimer;
use command_file::handler::{CommandError, CommandHandler, Reply};
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

/// Lines that are written under one RCU read-side lock.
const LINES_PER_SECTION: usize = 64;

/// Why a scan failed, for those who share it.
#[derive(Clone, Copy)]
pub(crate) struct ScanFailure(Failure);

impl SharedFailure for ScanFailure {
    fn is_private(self) -> bool {
        self.0 == Failure::Interrupted
    }
}

/// The data, and the commands about it.
pub(crate) struct Commands {
    database: Database<Snapshot, ScanFailure>,
    /// Frees old data, a grace period after its RESET was answered.
    reclaimer: Reclaimer,
    strict: bool,
    /// CPUs that a scan may use; 0 for all.
    workers: usize,
}

impl Commands {
    /// No data yet. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(strict: bool, workers: usize) -> Result<Self> {
        Ok(Self {
            database: Database::new(GFP_KERNEL)?,
            reclaimer: Reclaimer::new(c"memory_info", GFP_KERNEL)?,
            strict,
            workers,
        })
    }

    /// Fills in the data at load. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, EINTR after a fatal signal.
    pub(crate) fn populate(&self) -> Result {
        match self.reset() {
            Ok(_) => Ok(()),
            Err(CommandError::Failed(failure)) => {
                self.log(failure);
                Err(error_of(failure.errno()))
            }
            Err(CommandError::Restart) => Err(EINTR),
        }
    }

    fn reset(&self) -> Result<Reply, CommandError<Failure>> {
        let stop = || self.database.is_closing();
        let scan = || {
            let sampling = Sampling::new(get_random_u64());
            scan(self.workers, sampling, &stop).map_err(ScanFailure)
        };
        let reclaim = |old| self.reclaimer.drop_later(old);
        match self.database.reset(scan, reclaim) {
            Ok(()) => Ok(Reply::Success),
            Err(RunError::Signal) => Err(CommandError::Restart),
            Err(RunError::Closing) => Err(Failure::Closing.into()),
            Err(RunError::Failed(ScanFailure(failure))) => Err(failure.into()),
        }
    }

    /// Shows each set that is there for the whole of this command, and none that was deleted before
    /// it; all of one snapshot.
    fn all(&self, texts: &TextBudget) -> Result<Reply, Failure> {
        match self.database.snapshot() {
            Some(snapshot) => Ok(texts.reply_within(snapshot.printed_len(), &AllSets(&snapshot))?),
            None => Ok(Reply::Text(texts.with_room(0)?)),
        }
    }

    fn filter(&self, name: &[u8], texts: &TextBudget) -> Result<Reply, Failure> {
        let comm = Comm::new(name).ok_or(Failure::NoSuchProcess)?;
        let mut text = texts.with_room(0)?;
        loop {
            // Nothing is allocated under RCU: measure, allocate, and look again.
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

    fn execute(&self, written: &[u8], texts: &TextBudget) -> Result<Reply, CommandError<Failure>> {
        Ok(match Command::parse(written).map_err(Failure::from)? {
            Command::Reset => self.reset()?,
            Command::All => self.all(texts)?,
            Command::Filter(name) => self.filter(name, texts)?,
            Command::Del(name) => self.delete(name)?,
        })
    }

    fn log(&self, failure: Failure) {
        pr_err!("{}", failure.line());
    }

    fn fails_write(&self, failure: Failure) -> bool {
        self.strict || failure != Failure::NoSuchProcess
    }

    fn close(&self) {
        self.database.close();
    }
}

/// All sets of a snapshot, a line each.
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
