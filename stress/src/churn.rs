// SPDX-License-Identifier: GPL-2.0-only

//! Processes that never hold still: they fork, execute programs, remap their memory, rename themselves,
//! end, and are killed. Whatever the system refuses them is left out.

use crate::area::Area;
use crate::board::Board;
use crate::child;
use fastrand::Rng;
use nix::sys::mman::{MmapAdvise, ProtFlags};
use nix::sys::signal::{kill, Signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

const SMALL_PAGES: usize = 64;
/// Enough to hold one aligned huge page.
const HUGE_PAGES: usize = 1024;
const NAMES: [&std::ffi::CStr; 4] = [c"churn-0", c"churn-1", c"churn-2", c"churn-3"];

/// Churns until the board says stop; the status to end with.
pub fn run(board: Board, mut rng: Rng) -> i32 {
    while !board.is_stopping() {
        // What fails for want of memory or processes is left out: the shells need them more.
        let _ = round(&mut rng);
        // Unrest is wanted, not all of the machine.
        std::thread::sleep(Duration::from_millis(rng.u64(..20)));
    }
    0
}

fn round(rng: &mut Rng) -> io::Result<()> {
    let end = rng.u8(..4);
    let pause = Duration::from_micros(rng.u64(..3000));
    let mut own = rng.fork();
    let started = child::start(|| {
        // What it could not remap, it does without.
        let _ = remap(&mut own);
        match end {
            0 => 0,
            1 => exec(),
            2 => {
                let grandchild = child::start(|| {
                    let _ = remap(&mut own);
                    0
                });
                grandchild.map_or(0, |pid| i32::from(child::wait(pid).is_err()))
            }
            _ => loop {
                let _ = remap(&mut own);
            },
        }
    })?;
    if end == 3 {
        std::thread::sleep(pause);
        kill(started, Signal::SIGKILL)?;
    }
    child::wait(started)?;
    Ok(())
}

fn exec() -> i32 {
    // Only a failed one returns, and is left out.
    let _ = Command::new("/proc/self/exe").arg("--churned").exec();
    0
}

fn remap(rng: &mut Rng) -> io::Result<()> {
    let small = Area::new(SMALL_PAGES)?;
    for page in 0..SMALL_PAGES {
        small.fill(page, rng.u8(..5));
    }
    let huge = Area::new(HUGE_PAGES)?;
    huge.advise(0..HUGE_PAGES, MmapAdvise::MADV_HUGEPAGE)
        .or_else(unless_unknown)?;
    for page in [0, HUGE_PAGES / 2, HUGE_PAGES - 1] {
        huge.fill(page, rng.u8(..5));
    }
    for _ in 0..8 {
        let some = some_pages(rng, SMALL_PAGES);
        nix::sys::prctl::set_name(NAMES[rng.usize(..NAMES.len())])?;
        match rng.u8(..6) {
            0 => small.protect(some, ProtFlags::PROT_READ)?,
            1 => small.protect(some, ProtFlags::PROT_NONE)?,
            2 => small.protect(some, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?,
            3 => small.advise(some, MmapAdvise::MADV_DONTNEED)?,
            4 => small
                .advise(some, MmapAdvise::MADV_PAGEOUT)
                .or_else(unless_unknown)?,
            _ => huge.protect(some_pages(rng, HUGE_PAGES), ProtFlags::PROT_READ)?,
        }
        Area::new(16)?.fill(3, 1);
    }
    Ok(())
}

/// For advice that this kernel was built without.
fn unless_unknown(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        Some(libc::EINVAL) => Ok(()),
        _ => Err(error),
    }
}

fn some_pages(rng: &mut Rng, of: usize) -> std::ops::Range<usize> {
    let start = rng.usize(..of);
    start..rng.usize(start + 1..=of)
}
