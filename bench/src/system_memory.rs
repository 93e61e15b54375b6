// SPDX-License-Identifier: GPL-2.0-only

//! How much memory the kernel has free.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often settling memory is looked at, and for how long at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// By how many bytes settled memory may differ from one look to the next.
const WOBBLE: u64 = 32 << 10;

/// Free memory in bytes. The kernel's processors keep some free pages to themselves, which this does not count: it
/// wobbles by a few hundred KiB.
pub fn free() -> Result<u64> {
    let info = nix::sys::sysinfo::sysinfo().context("sysinfo failed")?;
    Ok(info.ram_unused())
}

/// Waits until the kernel has freed what it frees later: until its free memory stays the same.
pub fn settle() -> Result<()> {
    let mut last = free()?;
    let mut the_same = 0;
    for _ in 0..LONGEST.as_millis() / PAUSE.as_millis() {
        std::thread::sleep(PAUSE);
        // What its processors have counted for themselves. A kernel without it counts less exactly.
        let _ = std::fs::write("/proc/sys/vm/stat_refresh", "1");
        let now = free()?;
        the_same = if now.abs_diff(last) <= WOBBLE {
            the_same + 1
        } else {
            0
        };
        if the_same == 3 {
            break;
        }
        last = now;
    }
    Ok(())
}

/// The least memory that was free while `what` was done, as often as a thread of its own can ask.
pub fn least_free_during(what: impl FnOnce() -> Result<()>) -> Result<u64> {
    let done = AtomicBool::new(false);
    let started = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut least = free()?;
            started.store(true, Ordering::Release);
            while !done.load(Ordering::Relaxed) {
                least = least.min(free()?);
            }
            anyhow::Ok(least)
        });
        while !started.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let result = what();
        done.store(true, Ordering::Relaxed);
        let least = watch.join().ok().context("a thread panicked")?;
        result.and(least)
    })
}
