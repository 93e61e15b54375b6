// SPDX-License-Identifier: GPL-2.0

//! What the commands of `/proc/memory_info` do.

use crate::scan::scan;
use crate::snapshot::Snapshot;
use abstractions::command_file::{self, errno, Reply, Restart, Texts};
use kernel::prelude::*;
use logic::answer::Failure;
use logic::comm::Comm;
use logic::command::Command;
use logic::text::Print;
use protocol::combining::{Refused, RunError};
use protocol::database::Database;

/// Lines that are written under one RCU read-side lock.
const LINES_PER_SECTION: usize = 64;

/// Why a scan failed, for those who share it.
#[derive(Clone, Copy)]
pub(crate) struct ScanFailure(Failure);

impl RunError for ScanFailure {
    fn is_private(self) -> bool {
        self.0 == Failure::Interrupted
    }
}

/// The data, and the commands about it.
pub(crate) struct Commands {
    database: Database<Snapshot, ScanFailure>,
    strict: bool,
}

impl Commands {
    /// No data yet. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(strict: bool) -> Result<Self> {
        Ok(Self {
            database: Database::new(GFP_KERNEL)?,
            strict,
        })
    }

    /// Fills in the data at load. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, EINTR after a fatal signal.
    pub(crate) fn populate(&self) -> Result {
        match self.reset() {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => {
                pr_err!("{}", failure.line());
                Err(errno(failure))
            }
            Err(Restart) => Err(EINTR),
        }
    }

    fn reset(&self) -> Result<Result<Reply, Failure>, Restart> {
        let stop = || self.database.is_closing();
        match self.database.reset(|| scan(&stop).map_err(ScanFailure)) {
            Ok(()) => Ok(Ok(Reply::Success)),
            Err(Refused::Signal) => Err(Restart),
            Err(Refused::Closing) => Ok(Err(Failure::Closing)),
            Err(Refused::Failed(ScanFailure(failure))) => Ok(Err(failure)),
        }
    }

    /// Shows each set that is there for the whole of this command, and none that was deleted before
    /// it; all of one snapshot.
    fn all(&self, texts: &Texts) -> Result<Reply, Failure> {
        let Some(snapshot) = self.database.snapshot() else {
            return Ok(Reply::Text(texts.with_room(0)?));
        };
        let mut len = 0;
        for_each_set(&snapshot, |comm, group| {
            len += group.as_set(comm).printed_len();
            Ok(())
        })?;
        let mut text = texts.with_room(len)?;
        for_each_set(&snapshot, |comm, group| {
            // Sets do not grow, so what was measured is room enough.
            group
                .as_set(comm)
                .append_to(text.as_mut())
                .map_err(|_| Failure::NoMemory)
        })?;
        Ok(Reply::Text(text))
    }

    fn filter(&self, name: &[u8], texts: &Texts) -> Result<Reply, Failure> {
        let comm = Comm::new(name).ok_or(Failure::NoSuchProcess)?;
        let mut text = texts.with_room(0)?;
        loop {
            // Nothing is allocated under RCU: measure, allocate, and look again.
            let missing = self.database.read(|snapshot, guard| {
                let group = snapshot.and_then(|snapshot| snapshot.group(&comm, guard));
                let set = group.ok_or(Failure::NoSuchProcess)?.as_set(&comm);
                Ok(match set.append_to(text.as_mut()) {
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

impl command_file::Commands for Commands {
    fn execute(&self, written: &[u8], texts: &Texts) -> Result<Result<Reply, Failure>, Restart> {
        let Ok(command) = Command::parse(written) else {
            return Ok(Err(Failure::InvalidArgument));
        };
        match command {
            Command::Reset => self.reset(),
            Command::All => Ok(self.all(texts)),
            Command::Filter(name) => Ok(self.filter(name, texts)),
            Command::Del(name) => Ok(self.delete(name)),
        }
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

fn for_each_set(
    snapshot: &Snapshot,
    mut show: impl FnMut(&Comm, &crate::snapshot::Group) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for section in snapshot.order().chunks(LINES_PER_SECTION) {
        let guard = kernel::sync::rcu::read_lock();
        for comm in section {
            if let Some(group) = snapshot.group(comm, &guard) {
                show(comm, group)?;
            }
        }
    }
    Ok(())
}
