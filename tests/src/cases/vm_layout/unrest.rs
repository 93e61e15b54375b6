// SPDX-License-Identifier: GPL-2.0-only

//! Processes that exit, exec and remap while they are looked at, and a module that goes meanwhile.

use super::agreement::agrees;
use crate::case::{check_eq, Case};
use crate::helper::{worker_command, Helper};
use crate::kernel_memory::keeps_nothing;
use crate::module::VM_LAYOUT;
use crate::proc_file;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use std::io::Read;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = &[
    Case::slow("vm_layout::reports_are_of_one_moment", 180, one_moment),
    Case::new("vm_layout::unload_with_open_files", unload_with_open_files),
    Case::slow(
        "vm_layout::unload_during_commands",
        120,
        unload_during_commands,
    ),
    Case::slow("vm_layout::many_loads_without_a_leak", 180, many_loads),
];

fn start(shape: &str, count: usize, seconds: &str) -> Result<Vec<Helper>> {
    let start = |index| {
        let name = format!("{shape}-{index}");
        Helper::start(&mut worker_command(&name, shape, Some(seconds))?, name)
    };
    (0..count).map(start).collect()
}

fn finish(helpers: Vec<Helper>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    helpers
        .into_iter()
        .try_for_each(|helper| helper.finish(deadline))
}

fn one_moment() -> Result<()> {
    let still = Helper::worker("still", "patterns", Some("1 1 2"))?;
    let _module = VM_LAYOUT.load_with("")?;
    let before = agrees(still.pid())?;
    let mut helpers = start("churn", 4, "10")?;
    helpers.extend(start("layout-asker", 3, "9")?);
    finish(helpers)?;
    let after = agrees(still.pid())?;
    ensure!(
        before == after,
        "who held still changed\n{before:?}\n{after:?}"
    );
    Ok(())
}

fn unload_with_open_files() -> Result<()> {
    let module = VM_LAYOUT.load_with("")?;
    let file = proc_file::VM_LAYOUT.open()?;
    check_eq("a command", proc_file::write(&file, b"1\n"), Ok(2))?;
    let mut half_read = file.try_clone()?;
    half_read.read_exact(&mut [0; 5])?;
    module.unload()?;
    let read = half_read
        .read(&mut [0; 5])
        .map_err(|error| error.raw_os_error());
    check_eq("reading an old file", read, Err(Some(libc::EIO)))?;
    let written = proc_file::write(&file, b"1\n");
    check_eq("writing an old file", written, Err(Errno::EIO))
}

fn unload_during_commands() -> Result<()> {
    let mut module = VM_LAYOUT.load_with("")?;
    let helpers = start("layout-asker", 3, "10")?;
    let end = Instant::now() + Duration::from_secs(9);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(150));
        module.unload()?;
        module = VM_LAYOUT.load_with("pid=1")?;
    }
    finish(helpers)?;
    module.unload()
}

fn many_loads() -> Result<()> {
    let helper = Helper::worker("many", "many-areas", Some("2000"))?;
    let round = || -> Result<()> {
        let module = VM_LAYOUT.load_with("")?;
        for form in 0..2 {
            proc_file::VM_LAYOUT.answer(format!("{} json={form}\n", helper.pid()))?;
        }
        module.unload()
    };
    // One leaked report a round would be twice as much.
    keeps_nothing(round)
}
