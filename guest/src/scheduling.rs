// SPDX-License-Identifier: GPL-2.0-only

//! On which CPU a process runs, and before which others.

use nix::errno::Errno;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

/// Binds this thread to one CPU, and the processes that it forks.
///
/// # Errors
///
/// Returns the error of sched_setaffinity(2): `EINVAL` if the machine does not have this CPU.
pub fn bind_to_cpu(cpu: usize) -> Result<(), Errno> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)
}

/// Makes this thread, and the processes that it forks, run as soon as they can, before any ordinary process or kernel
/// thread on their CPU, and before those of them with a lower `priority`, which is 1 or more (`SCHED_FIFO`). Needs
/// `CAP_SYS_NICE`.
///
/// # Errors
///
/// Returns the error of sched_setscheduler(2).
pub fn run_before_others(priority: u8) -> Result<(), Errno> {
    let parameters = libc::sched_param {
        sched_priority: priority.into(),
    };
    // SAFETY: The parameters live during the call.
    let status = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    Errno::result(status).map(drop)
}
