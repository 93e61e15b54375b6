// SPDX-License-Identifier: GPL-2.0-only

//! How much memory the kernel uses.

use anyhow::{bail, ensure, Context, Result};

/// Bytes that the kernel holds for itself and cannot reclaim.
pub fn kernel_memory() -> Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let mut sum = 0;
    for label in ["SUnreclaim:", "VmallocUsed:"] {
        let Some(line) = meminfo.lines().find(|line| line.starts_with(label)) else {
            bail!("/proc/meminfo has no line {label}");
        };
        let kib: u64 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
        sum += kib << 10;
    }
    Ok(sum)
}

/// Requires that many rounds leave no more in the kernel's memory than slabs wobble by: 4 MiB after 45 of them.
pub fn keeps_nothing(round: impl Fn() -> Result<()>) -> Result<()> {
    (0..5).try_for_each(|_| round())?;
    let before = kernel_memory()?;
    (0..45).try_for_each(|_| round())?;
    let after = kernel_memory()?;
    ensure!(
        after < before + (4 << 20),
        "the kernel's own memory grew from {before} to {after} bytes by 45 rounds"
    );
    Ok(())
}
