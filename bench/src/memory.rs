// SPDX-License-Identifier: GPL-2.0-only

//! Memory of the machine on which a program runs.

use anyhow::{Context, Result};

/// Returns the number of bytes that programs of this machine can allocate without swapping.
///
/// # Errors
///
/// Fails if `/proc/meminfo` cannot be read or has no `MemAvailable`.
pub fn available_memory() -> Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("/proc/meminfo has no MemAvailable")?;
    Ok(kib.parse::<u64>()? << 10)
}
