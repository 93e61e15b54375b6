// SPDX-License-Identifier: GPL-2.0-only

//! Reports while processes exit, execute programs and change their memory, and while the module is unloaded.

use super::agreement::agrees;
use crate::case::{cases, check_eq};
use crate::command_file;
use crate::helper::{worker_command, Helper};
use crate::kernel::memory::keeps_nothing;
use crate::module::VM_LAYOUT;
use crate::vm_layout;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use std::io::Read;
use std::time::{Duration, Instant};

cases! {
    reports_are_consistent_snapshots (180 s),
    unload_with_open_files,
    unload_during_commands (120 s),
    fifty_loads_leak_nothing (180 s),
}

/// Starts `count` workers of a shape, which run for `seconds`.
fn start(shape: &str, count: usize, seconds: &str) -> Result<Vec<Helper>> {
    let start = |index| {
        let name = format!("{shape}-{index}");
        Helper::start(&mut worker_command(&name, shape, Some(seconds))?, name)
    };
    (0..count).map(start).collect()
}

/// Waits until all workers end with success.
fn finish(helpers: Vec<Helper>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    helpers
        .into_iter()
        .try_for_each(|helper| helper.finish(deadline))
}

fn reports_are_consistent_snapshots() -> Result<()> {
    let still = Helper::worker("still", "patterns", Some("1 1 2"))?;
    let _module = VM_LAYOUT.load()?;
    let before = agrees(still.pid())?;
    let mut helpers = start("churn", 4, "10")?;
    helpers.extend(start("vm-layout-asker", 3, "9")?);
    finish(helpers)?;
    let after = agrees(still.pid())?;
    ensure!(
        before == after,
        "the report about a stopped process changed\n  before: {before:?}\n  after:  {after:?}"
    );
    Ok(())
}

fn unload_with_open_files() -> Result<()> {
    let module = VM_LAYOUT.load()?;
    let file = vm_layout::FILE.open()?;
    check_eq("a command", command_file::write(&file, b"1\n"), Ok(2))?;
    let mut half_read = file.try_clone()?;
    half_read.read_exact(&mut [0; 5])?;
    module.unload()?;
    let read = half_read
        .read(&mut [0; 5])
        .map_err(|error| error.raw_os_error());
    check_eq(
        "reading a file opened before unloading",
        read,
        Err(Some(libc::EIO)),
    )?;
    let written = command_file::write(&file, b"1\n");
    check_eq(
        "writing a file opened before unloading",
        written,
        Err(Errno::EIO),
    )
}

fn unload_during_commands() -> Result<()> {
    let mut module = VM_LAYOUT.load()?;
    let helpers = start("vm-layout-asker", 3, "10")?;
    let end = Instant::now() + Duration::from_secs(9);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(150));
        module.unload()?;
        module = VM_LAYOUT.load_with("pid=1")?;
    }
    finish(helpers)?;
    module.unload()
}

fn fifty_loads_leak_nothing() -> Result<()> {
    let helper = Helper::worker("many", "many-areas", Some("2000"))?;
    let round = || -> Result<()> {
        let module = VM_LAYOUT.load()?;
        for form in 0..2 {
            vm_layout::FILE.answer(format!("{} json={form}\n", helper.pid()))?;
        }
        module.unload()
    };
    // Leaking one report in each round would exceed the tolerance twice.
    keeps_nothing(round)
}
