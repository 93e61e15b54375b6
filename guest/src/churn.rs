// SPDX-License-Identifier: GPL-2.0-only

//! Processes that never rest: they fork, execute programs, remap their memory, rename themselves, exit and are killed.

use crate::child;
use crate::mapping::{has_transparent_huge_pages, Mapping, PAGE, RO, RW};
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, ProtFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::WaitStatus;
use std::ffi::CStr;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Names between which the processes change.
pub const NAMES: [&CStr; 4] = [c"churn-0", c"churn-1", c"churn-2", c"churn-3"];

const SMALL_PAGES: usize = 64;
/// Enough pages to contain one aligned huge page.
const HUGE_PAGES: usize = (4 << 20) / PAGE;
/// Longest time after which a process is killed.
const LONGEST_LIFE: Duration = Duration::from_millis(7);

/// How a process ends.
enum End {
    Exit,
    Exec,
    Fork,
    Kill,
}

/// Forks a process that remaps its memory under changing names, and ends it in a random way: it exits, executes
/// `program`, forks a process of its own, or is killed.
///
/// `program` must end at once with success.
///
/// # Errors
///
/// Fails if the process cannot be started, if the system refuses it memory, or if it ends in another way than it
/// should.
pub fn round(rng: &mut Rng, program: &mut Command) -> Result<()> {
    let end = match rng.u8(..4) {
        0 => End::Exit,
        1 => End::Exec,
        2 => End::Fork,
        _ => End::Kill,
    };
    let life = Duration::from_micros(rng.u64(..LONGEST_LIFE.as_micros() as u64));
    let mut rng_of_child = rng.fork();
    let child = child::start_with_status(|| live(&end, &mut rng_of_child, program))
        .context("cannot fork")?;
    if matches!(end, End::Kill) {
        std::thread::sleep(life);
        kill(child, Signal::SIGKILL)?;
    }
    let status = child::wait(child)?;
    ensure!(
        match end {
            End::Kill => matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
            _ => matches!(status, WaitStatus::Exited(_, 0)),
        },
        "a process of the churn ended with {status:?}"
    );
    Ok(())
}

/// Returns the exit status of a process.
fn live(end: &End, rng: &mut Rng, program: &mut Command) -> i32 {
    if remap(rng).is_err() {
        return 1;
    }
    match end {
        End::Exit => 0,
        End::Exec => {
            // Returns only if it fails.
            let error = program.exec();
            eprintln!("cannot execute {program:?}: {error}");
            1
        }
        End::Fork => {
            let grandchild = child::start_with_status(|| i32::from(remap(rng).is_err()));
            let status = grandchild.and_then(child::wait);
            i32::from(!matches!(status, Ok(WaitStatus::Exited(_, 0))))
        }
        End::Kill => loop {
            if remap(rng).is_err() {
                return 1;
            }
        },
    }
}

/// Maps memory, changes it in random ways, and unmaps it.
fn remap(rng: &mut Rng) -> Result<()> {
    let small = Mapping::anonymous(SMALL_PAGES, RW)?;
    for page in 0..SMALL_PAGES {
        small.fill(page, rng.u64(..5));
    }
    let huge = Mapping::anonymous(HUGE_PAGES, RW)?;
    if has_transparent_huge_pages() {
        huge.advise(MmapAdvise::MADV_HUGEPAGE)?;
    }
    for page in [0, HUGE_PAGES / 2, HUGE_PAGES - 1] {
        huge.fill(page, rng.u64(..5));
    }
    for _ in 0..8 {
        nix::sys::prctl::set_name(NAMES[rng.usize(..NAMES.len())])?;
        let part = small.part(some_pages(rng, SMALL_PAGES));
        match rng.u8(..6) {
            0 => part.protect(RO)?,
            1 => part.protect(ProtFlags::PROT_NONE)?,
            2 => part.protect(RW)?,
            3 => part.advise(MmapAdvise::MADV_DONTNEED)?,
            4 => part
                .advise(MmapAdvise::MADV_PAGEOUT)
                .or_else(unless_unknown)?,
            _ => huge.part(some_pages(rng, HUGE_PAGES)).protect(RO)?,
        }
        Mapping::anonymous(16, RO)?.touch();
    }
    huge.part(0..17).unmap()
}

/// Accepts that a kernel was built without some advice.
fn unless_unknown(error: anyhow::Error) -> Result<()> {
    match error.downcast_ref() {
        Some(Errno::EINVAL) => Ok(()),
        _ => Err(error),
    }
}

fn some_pages(rng: &mut Rng, of: usize) -> Range<usize> {
    let start = rng.usize(..of);
    start..rng.usize(start + 1..=of)
}
