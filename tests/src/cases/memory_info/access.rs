// SPDX-License-Identifier: GPL-2.0-only

//! Who may open the file.

use crate::case::{cases, check_eq};
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::privileges::{become_nobody, open_as_nobody, open_as_root, open_in_other_pid_namespace};
use anyhow::Result;
use guest::child;
use nix::errno::Errno;
use std::os::unix::fs::MetadataExt;

cases! {
    only_root_opens_the_file_by_default,
    mode_lets_other_users_open_the_file,
    other_pid_namespaces_may_not_open_the_file,
    the_file_has_the_mode_of_the_parameter,
}

fn only_root_opens_the_file_by_default() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    check_eq(
        "opening the file as root",
        open_as_root(&memory_info::FILE)?,
        Ok(()),
    )?;
    check_eq(
        "opening the file without privileges",
        open_as_nobody(&memory_info::FILE)?,
        Err(Errno::EACCES),
    )
}

fn mode_lets_other_users_open_the_file() -> Result<()> {
    let _module = MEMORY_INFO.load_with("mode=0666")?;
    check_eq(
        "opening the file without privileges",
        open_as_nobody(&memory_info::FILE)?,
        Ok(()),
    )?;
    let asked = child::run(|| {
        become_nobody()?;
        match memory_info::all() {
            Ok(lines) if !lines.is_empty() => Ok(()),
            _ => Err(Errno::EPROTO),
        }
    })?;
    check_eq("the command ALL without privileges", asked, Ok(()))
}

/// The pids in the answers have no meaning in another pid namespace.
fn other_pid_namespaces_may_not_open_the_file() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let opened = open_in_other_pid_namespace(&memory_info::FILE)?;
    check_eq(
        "opening in another pid namespace",
        opened,
        Err(Errno::EPERM),
    )
}

fn the_file_has_the_mode_of_the_parameter() -> Result<()> {
    for (parameters, mode) in [
        ("", 0o600),
        ("mode=0644", 0o644),
        ("mode=0444", 0o444),
        ("mode=0660 strict=1", 0o660),
    ] {
        let module = MEMORY_INFO.load_with(parameters)?;
        let file = std::fs::metadata(memory_info::PATH)?;
        check_eq(
            &format!("the mode of the file with '{parameters}'"),
            file.mode() & 0o7777,
            mode,
        )?;
        check_eq("the owner of the file", (file.uid(), file.gid()), (0, 0))?;
        module.unload()?;
    }
    Ok(())
}
