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

/// A capability. C header: `include/uapi/linux/capability.h`.
#[derive(Clone, Copy)]
pub enum Capability {
    /// CAP_SYS_PTRACE.
    SysPtrace = 19,
    /// CAP_SYS_ADMIN.
    SysAdmin = 21,
}

/// The capability sets of a process, as capget(2) and capset(2) have them: the halves of each set are apart.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Changes the capability sets of this process.
fn change_capabilities(change: impl Fn(&mut Half)) -> Outcome {
    // `_LINUX_CAPABILITY_VERSION_3`, and the calling process.
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut halves = [Half::default(); 2];
    // SAFETY: By the contract of capget(2), it reads the header and writes both halves, which have its layout.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_capget, header.as_ptr(), halves.as_mut_ptr())
    })?;
    change(&mut halves[0]);
    // SAFETY: By the contract of capset(2), it reads the header and both halves, which have its layout.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), halves.as_ptr()) })
        .map(drop)
}

/// Takes these capabilities away from this process for good.
pub fn without_capabilities(lost: &[Capability]) -> Outcome {
    let lost = lost.iter().fold(0, |mask, lost| mask | 1 << *lost as u32);
    change_capabilities(|sets| {
        sets.effective &= !lost;
        sets.permitted &= !lost;
        sets.inheritable &= !lost;
    })
}

/// Makes a permitted capability of this process effective, or not.
pub fn has_capability(capability: Capability, effective: bool) -> Outcome {
    let mask = 1 << capability as u32;
    change_capabilities(|sets| match effective {
        true => sets.effective |= mask,
        false => sets.effective &= !mask,
    })
}

/// Takes all privileges but one capability away from this process.
pub fn become_nobody_with(kept: Capability) -> Outcome {
    nix::sys::prctl::set_keepcaps(true)?;
    become_nobody()?;
    change_capabilities(|sets| {
        sets.permitted &= 1 << kept as u32;
        sets.effective = sets.permitted;
        sets.inheritable = 0;
    })
}
