// SPDX-License-Identifier: GPL-2.0-only

//! Processes without privileges and processes in other namespaces, and what they may open.

use crate::command_file::CommandFile;
use anyhow::Result;
use guest::child::{self, Outcome};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::unistd::{setgid, setgroups, setuid, Gid, Pid, Uid};

/// Number of the user and of the group that have no privileges.
const NOBODY: u32 = 65534;

/// Takes all privileges away from this process.
pub fn become_nobody() -> Outcome {
    setgroups(&[])?;
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))
}

/// Opens `file` in a process with all privileges and returns the result.
pub fn open_as_root(file: &CommandFile) -> Result<Outcome> {
    child::run(|| file.try_open().map(drop))
}

/// Opens `file` in a process without privileges and returns the result.
pub fn open_as_nobody(file: &CommandFile) -> Result<Outcome> {
    child::run(|| become_nobody().and_then(|()| file.try_open().map(drop)))
}

/// Opens `file` in the first process of a new pid namespace and returns the result.
pub fn open_in_other_pid_namespace(file: &CommandFile) -> Result<Outcome> {
    child::run(|| {
        unshare(CloneFlags::CLONE_NEWPID)?;
        // The usual fork would compare the parent's pid, which is 0 in the new namespace.
        let first = child::start_with_pid(Pid::from_raw(1), || file.try_open().map(drop))?;
        child::outcome(child::wait(first)?).unwrap_or(Err(Errno::EPROTO))
    })
}
