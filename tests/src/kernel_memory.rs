//! How much memory the kernel uses.

use anyhow::{bail, Context, Result};

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
