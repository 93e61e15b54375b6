// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading, at any moment and many times.

use crate::case::{check_eq, Case};
use crate::crowd::crowd;
use crate::helper::{worker_command, Helper};
use crate::kernel_memory::keeps_nothing;
use crate::{module, proc_file};
use anyhow::{ensure, Result};
use nix::errno::Errno;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = &[
    Case::new("lifetime::bad_parameters", bad_parameters),
    Case::new("lifetime::load_twice", load_twice),
    Case::new("lifetime::unload_with_open_files", unload_with_open_files),
    Case::slow(
        "lifetime::unload_during_commands",
        120,
        unload_during_commands,
    ),
    Case::slow(
        "lifetime::fifty_times_without_a_leak",
        180,
        fifty_times_without_a_leak,
    ),
];

fn bad_parameters() -> Result<()> {
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
        let loaded = module::try_load(parameters)?.map(drop);
        check_eq(
            &format!("loading with '{parameters}'"),
            loaded,
            Err(Errno::EINVAL),
        )?;
        ensure!(
            !module::is_loaded(),
            "the module is there after a failed load with '{parameters}'"
        );
        ensure!(
            !std::path::Path::new(proc_file::PATH).exists(),
            "{} is there after a failed load with '{parameters}'",
            proc_file::PATH
        );
    }
    module::load_with("strict=0 mode=0600")?.unload()
}

fn load_twice() -> Result<()> {
    let _module = module::load()?;
    let again = module::try_load("")?.map(std::mem::forget);
    check_eq("loading a second time", again, Err(Errno::EEXIST))?;
    proc_file::reset()
}

fn unload_with_open_files() -> Result<()> {
    let module = module::load()?;
    let unread = proc_file::open()?;
    let written = proc_file::open()?;
    check_eq("ALL", proc_file::write(&written, b"ALL\n"), Ok(4))?;
    let mut half_read = File::open(proc_file::PATH)?;
    half_read.read_exact(&mut [0; 5])?;
    module.unload()?;
    let old = [&unread, &written, &half_read];
    let all_fail = |when: &str| -> Result<()> {
        for mut file in old {
            let read = file
                .read(&mut [0; 100])
                .map_err(|error| error.raw_os_error());
            check_eq(
                &format!("reading an old file {when}"),
                read,
                Err(Some(libc::EIO)),
            )?;
        }
        for file in [&unread, &written] {
            let written = proc_file::write(file, b"ALL\n");
            check_eq(
                &format!("writing an old file {when}"),
                written,
                Err(Errno::EIO),
            )?;
        }
        Ok(())
    };
    all_fail("after unloading")?;
    let module = module::load()?;
    proc_file::reset()?;
    all_fail("after loading again")?;
    module.unload()?;
    all_fail("after unloading again")
}

/// Writers and readers in full swing see errors, nothing worse, and loading again works at once.
fn unload_during_commands() -> Result<()> {
    let mut module = module::load()?;
    // Long enough for some commands to be answered, also where all is slow.
    let start = Instant::now();
    proc_file::reset()?;
    let window = Duration::from_millis(150) + 10 * start.elapsed();
    let askers = (0..3).map(|index| {
        Helper::start(
            &mut worker_command(&format!("asker-{index}"), "asker", Some("12"))?,
            "asker".into(),
        )
    });
    let askers = askers.collect::<Result<Vec<_>>>()?;
    let end = Instant::now() + Duration::from_secs(11);
    while Instant::now() < end {
        std::thread::sleep(window);
        module.unload()?;
        module = module::load()?;
    }
    module.unload()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    askers
        .into_iter()
        .try_for_each(|asker| asker.finish(deadline))
}

fn fifty_times_without_a_leak() -> Result<()> {
    let _many = crowd(&[1, 1, 2], (0..300).map(|_| "many".into()))?;
    let round = || -> Result<()> {
        let module = module::load()?;
        check_eq(
            "processes of the set",
            proc_file::line_of("many")?.pids.len(),
            300,
        )?;
        proc_file::reset()?;
        module.unload()
    };
    // 45 leaked snapshots or answers of 300 processes would be much more.
    keeps_nothing(round)
}
