//! How much memory the kernel has free.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Free memory in bytes. The kernel's processors keep some free pages to themselves, which this does not count: it
/// wobbles by a few hundred KiB.
pub fn free() -> Result<u64> {
    let info = nix::sys::sysinfo::sysinfo().context("sysinfo failed")?;
    Ok(info.ram_unused())
}

/// Waits until the kernel has freed what it frees later.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(250));
    // Written or not, it is read; a kernel without it counts less exactly.
    let _ = std::fs::write("/proc/sys/vm/stat_refresh", "1");
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
