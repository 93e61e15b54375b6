// SPDX-License-Identifier: GPL-2.0-only

//! Free memory of the guest.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interval between two readings while memory settles.
const INTERVAL: Duration = Duration::from_millis(100);
/// Longest time to wait for memory to settle.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest difference in bytes between two readings of settled memory.
const TOLERANCE: u64 = 32 << 10;

/// Returns the free memory in bytes. It varies by a few hundred KiB, because free pages in per-CPU lists are not
/// counted.
pub fn free() -> Result<u64> {
    let info = nix::sys::sysinfo::sysinfo().context("sysinfo failed")?;
    Ok(info.ram_unused())
}

/// Waits until deferred freeing is done: until the free memory stays the same.
pub fn settle() -> Result<()> {
    let mut last = free()?;
    let mut unchanged = 0;
    for _ in 0..LIMIT.as_millis() / INTERVAL.as_millis() {
        std::thread::sleep(INTERVAL);
        // Adds per-CPU counts to the total. A kernel without this file has less exact counts.
        let _ = std::fs::write("/proc/sys/vm/stat_refresh", "1");
        let now = free()?;
        unchanged = if now.abs_diff(last) <= TOLERANCE {
            unchanged + 1
        } else {
            0
        };
        if unchanged == 3 {
            break;
        }
        last = now;
    }
    Ok(())
}

/// Runs `action` and returns the smallest amount of free memory in bytes that a second thread saw during it.
pub fn least_free_during(action: impl FnOnce() -> Result<()>) -> Result<u64> {
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
        let result = action();
        done.store(true, Ordering::Relaxed);
        let least = watch.join().ok().context("a thread panicked")?;
        result.and(least)
    })
}
