// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading, at any moment and many times.

use crate::case::{cases, check_eq};
use crate::command_file;
use crate::helper::crowd::crowd;
use crate::helper::{worker_command, Helper};
use crate::kernel::memory::keeps_nothing;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

cases! {
    bad_parameters_fail_to_load,
    load_twice,
    unload_with_open_files,
    unload_during_commands (120 s),
    fifty_loads_leak_nothing (180 s),
}

fn bad_parameters_fail_to_load() -> Result<()> {
    for parameters in [
        "strict=2",
        "strict=-1",
        "strict=maybe",
        "mode=0777",
        "mode=01600",
        "mode=0601",
        "mode=04600",
        "mode=-1",
        "mode=rw",
        "mode=",
    ] {
        let loaded = MEMORY_INFO.try_load(parameters)?.map(drop);
        check_eq(
            &format!("loading with '{parameters}'"),
            loaded,
            Err(Errno::EINVAL),
        )?;
        ensure!(
            !MEMORY_INFO.is_loaded(),
            "the module is loaded after a failed load with '{parameters}'"
        );
        ensure!(
            !std::path::Path::new(memory_info::PATH).exists(),
            "{} exists after a failed load with '{parameters}'",
            memory_info::PATH
        );
    }
    MEMORY_INFO.load_with("strict=0 mode=0600")?.unload()
}

fn load_twice() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let again = MEMORY_INFO.try_load("")?.map(std::mem::forget);
    check_eq("loading a second time", again, Err(Errno::EEXIST))?;
    memory_info::reset()
}

fn unload_with_open_files() -> Result<()> {
    let module = MEMORY_INFO.load()?;
    let unread = memory_info::open()?;
    let written = memory_info::open()?;
    check_eq("ALL", command_file::write(&written, b"ALL\n"), Ok(4))?;
    let mut half_read = File::open(memory_info::PATH)?;
    half_read.read_exact(&mut [0; 5])?;
    module.unload()?;
    let old = [&unread, &written, &half_read];
    let all_fail = |when: &str| -> Result<()> {
        for mut file in old {
            let read = file
                .read(&mut [0; 100])
                .map_err(|error| error.raw_os_error());
            check_eq(
                &format!("reading a file opened before unloading, {when}"),
                read,
                Err(Some(libc::EIO)),
            )?;
        }
        for file in [&unread, &written] {
            let written = command_file::write(file, b"ALL\n");
            check_eq(
                &format!("writing a file opened before unloading, {when}"),
                written,
                Err(Errno::EIO),
            )?;
        }
        Ok(())
    };
    all_fail("after unloading")?;
    let module = MEMORY_INFO.load()?;
    memory_info::reset()?;
    all_fail("after loading again")?;
    module.unload()?;
    all_fail("after unloading again")
}

/// Active writers and readers get errors, and the module can be loaded again at once.
fn unload_during_commands() -> Result<()> {
    let mut module = MEMORY_INFO.load()?;
    // The module stays loaded long enough for some commands to be answered, even on a slow machine.
    let start = Instant::now();
    memory_info::reset()?;
    let window = Duration::from_millis(150) + 10 * start.elapsed();
    let askers = (0..3).map(|index| {
        Helper::start(
            &mut worker_command(&format!("asker-{index}"), "memory-info-asker", Some("12"))?,
            "asker".into(),
        )
    });
    let askers = askers.collect::<Result<Vec<_>>>()?;
    let end = Instant::now() + Duration::from_secs(11);
    while Instant::now() < end {
        std::thread::sleep(window);
        module.unload()?;
        module = MEMORY_INFO.load()?;
    }
    module.unload()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    askers
        .into_iter()
        .try_for_each(|asker| asker.finish(deadline))
}

fn fifty_loads_leak_nothing() -> Result<()> {
    let _many = crowd(&[1, 1, 2], (0..300).map(|_| "many".into()))?;
    let round = || -> Result<()> {
        let module = MEMORY_INFO.load()?;
        check_eq(
            "processes of the set",
            memory_info::line_of("many")?.pids.len(),
            300,
        )?;
        memory_info::reset()?;
        module.unload()
    };
    // 45 leaked snapshots or answers of 300 processes would be far above the tolerance.
    keeps_nothing(round)
}
