// SPDX-License-Identifier: GPL-2.0-only

//! Who gets in.

use crate::case::{check_eq, Case};
use crate::child::{self, Outcome};
use crate::proc_file::CommandFile;
use crate::{module, proc_file};
use anyhow::Result;
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::unistd::{setgid, setgroups, setuid, Gid, Uid};
use std::os::unix::fs::MetadataExt;

pub const CASES: &[Case] = &[
    Case::new("access::root_only_by_default", root_only_by_default),
    Case::new("access::mode_lets_others_in", mode_lets_others_in),
    Case::new("access::other_pid_namespace", other_pid_namespace),
    Case::new("access::mode_of_the_file", mode_of_the_file),
];

const NOBODY: u32 = 65534;

fn try_open(file: &CommandFile) -> Outcome {
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file.path());
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    opened.map(drop).map_err(errno)
}

/// From now on this process has no privileges.
pub fn become_nobody() -> Outcome {
    setgroups(&[])?;
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))
}

/// What opening the file leads to without privileges.
pub fn open_as_nobody(file: &CommandFile) -> Result<Outcome> {
    child::run(|| become_nobody().and_then(|()| try_open(file)))
}

/// What opening the file leads to in another pid namespace.
pub fn open_in_other_pid_namespace(file: &CommandFile) -> Result<Outcome> {
    child::run(|| {
        unshare(CloneFlags::CLONE_NEWPID)?;
        child::run(|| try_open(file)).unwrap_or(Err(Errno::EPROTO))
    })
}

fn root_only_by_default() -> Result<()> {
    let _module = module::load()?;
    check_eq(
        "root opens the file",
        child::run(|| try_open(&proc_file::MEMORY_INFO))?,
        Ok(()),
    )?;
    check_eq(
        "nobody opens the file",
        open_as_nobody(&proc_file::MEMORY_INFO)?,
        Err(Errno::EACCES),
    )
}

fn mode_lets_others_in() -> Result<()> {
    let _module = module::load_with("mode=0666")?;
    check_eq(
        "nobody opens the file",
        open_as_nobody(&proc_file::MEMORY_INFO)?,
        Ok(()),
    )?;
    let asked = child::run(|| {
        become_nobody()?;
        match proc_file::all() {
            Ok(lines) if !lines.is_empty() => Ok(()),
            _ => Err(Errno::EPROTO),
        }
    })?;
    check_eq("nobody asks ALL", asked, Ok(()))
}

/// The pids in the answers mean nothing in another pid namespace.
fn other_pid_namespace() -> Result<()> {
    let _module = module::load()?;
    let opened = open_in_other_pid_namespace(&proc_file::MEMORY_INFO)?;
    check_eq(
        "opening in another pid namespace",
        opened,
        Err(Errno::EPERM),
    )
}

fn mode_of_the_file() -> Result<()> {
    for (parameters, mode) in [
        ("", 0o600),
        ("mode=0644", 0o644),
        ("mode=0444", 0o444),
        ("mode=0660 strict=1", 0o660),
    ] {
        let module = module::load_with(parameters)?;
        let file = std::fs::metadata(proc_file::PATH)?;
        check_eq(
            &format!("mode with '{parameters}'"),
            file.mode() & 0o7777,
            mode,
        )?;
        check_eq("owner", (file.uid(), file.gid()), (0, 0))?;
        module.unload()?;
    }
    Ok(())
}
