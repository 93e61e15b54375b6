// SPDX-License-Identifier: GPL-2.0-only

//! Who runs where. With a processor each, nobody waits for the other to be done with it.

use anyhow::{Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

/// Has the calling thread run on processor `number` only, if there are two.
pub fn pin(number: usize) -> Result<()> {
    if count()? < 2 {
        return Ok(());
    }
    let mut set = CpuSet::new();
    set.set(number)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot choose a processor")
}

/// Lets the calling thread run on both processors again.
pub fn unpin() -> Result<()> {
    if count()? < 2 {
        return Ok(());
    }
    let mut set = CpuSet::new();
    set.set(0)?;
    set.set(1)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot choose processors")
}

/// How many the machine has, whatever this thread may use.
pub fn count() -> Result<i64> {
    let online = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)?;
    online.context("the kernel has a number of processors")
}
