// SPDX-License-Identifier: GPL-2.0-only

//! Measures how much memory the kernel uses.

use anyhow::{bail, ensure, Context, Result};

/// Returns the number after `label` in the file `path`, which has one number a line.
fn number(path: &str, label: &str) -> Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some(label) {
            return Ok(words.next().unwrap_or_default().parse()?);
        }
    }
    bail!("{path} does not contain {label}")
}

/// Returns the number of bytes (for counts, the number) that `/proc/meminfo` shows after `label`, such as `MemFree:`.
pub fn meminfo(label: &str) -> Result<u64> {
    let value = number("/proc/meminfo", label)?;
    Ok(match label.starts_with("HugePages_") {
        true => value,
        false => value << 10,
    })
}

/// Returns an event counter of the memory management, such as `oom_kill`, or 0 if this kernel does not count it.
pub fn vmstat(label: &str) -> u64 {
    number("/proc/vmstat", label).unwrap_or(0)
}

/// Returns the number of bytes that the kernel uses for itself and cannot reclaim.
pub fn kernel_memory() -> Result<u64> {
    Ok(meminfo("SUnreclaim:")? + meminfo("VmallocUsed:")?)
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
