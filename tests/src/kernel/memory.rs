// SPDX-License-Identifier: GPL-2.0-only

//! Measures how much memory the kernel uses.

use anyhow::{bail, ensure, Context, Result};

/// Returns the number of bytes that the kernel uses for itself and cannot reclaim.
pub fn kernel_memory() -> Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let mut sum = 0;
    for label in ["SUnreclaim:", "VmallocUsed:"] {
        let Some(line) = meminfo.lines().find(|line| line.starts_with(label)) else {
            bail!("/proc/meminfo does not contain {label}");
        };
        let kib: u64 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
        sum += kib << 10;
    }
    Ok(sum)
}

/// Runs `round` 50 times and requires that the memory of the kernel does not grow by more than 4 MiB in the last 45 rounds.
/// The size of the slab caches varies by that much.
pub fn keeps_nothing(round: impl Fn() -> Result<()>) -> Result<()> {
    (0..5).try_for_each(|_| round())?;
    let before = kernel_memory()?;
    (0..45).try_for_each(|_| round())?;
    let after = kernel_memory()?;
    ensure!(
        after < before + (4 << 20),
        "the memory of the kernel grew from {before} to {after} bytes in 45 rounds"
    );
    Ok(())
}
