// SPDX-License-Identifier: GPL-2.0-only

//! CPU affinity. With a CPU each, two processes do not wait for each other.

use anyhow::{Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::{sysconf, Pid, SysconfVar};

/// Binds the calling thread to the CPU `number`, if there are two CPUs.
pub fn pin(number: usize) -> Result<()> {
    set_cpus(&[number])
}

/// Lets the calling thread run on the first two CPUs again.
pub fn unpin() -> Result<()> {
    set_cpus(&[0, 1])
}

/// Returns the number of online CPUs, whatever the affinity of the calling thread.
pub fn online_cpus() -> Result<i64> {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN)?;
    online.context("the kernel does not say how many CPUs are online")
}

fn set_cpus(numbers: &[usize]) -> Result<()> {
    if online_cpus()? < 2 {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &number in numbers {
        set.set(number)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot set the CPU affinity")
}
