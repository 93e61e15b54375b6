// SPDX-License-Identifier: GPL-2.0-only

//! The yardstick of the kernel's own: KSM, which looks for identical pages too.

use anyhow::{ensure, Context, Result};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const DIRECTORY: &str = "/sys/kernel/mm/ksm";
/// Full scans in which it has merged what is identical: the first only notes checksums.
const SCANS: u64 = 2;

/// Whether this kernel has it.
pub fn exists() -> bool {
    Path::new(DIRECTORY).exists()
}

/// How fast it scanned.
pub struct Speed {
    /// Pages that it looked at, each one as often as it did.
    pub pages: u64,
    /// In what time.
    pub time: Duration,
}

/// Has it scan at full speed until it has looked `SCANS` times at `pages` mergeable pages. Nothing stays merged.
pub fn scan(pages: u64) -> Result<Speed> {
    // Each page whenever it comes by, in one go, without a rest.
    for (name, value) in [
        ("smart_scan", 0),
        ("sleep_millisecs", 0),
        ("pages_to_scan", 1 << 20),
    ] {
        set(name, value)?;
    }
    let first = scanned()?;
    let end = first + SCANS * pages;
    let start = Instant::now();
    set("run", 1)?;
    let speed = loop {
        let now = scanned()?;
        if now >= end {
            break Speed {
                pages: now - first,
                time: start.elapsed(),
            };
        }
        ensure!(
            start.elapsed() < Duration::from_secs(120),
            "KSM looked at {} pages in two minutes",
            now - first
        );
        std::thread::sleep(Duration::from_millis(1));
    };
    // Undoes all merging, and waits for that.
    set("run", 2)?;
    let sharing = get("pages_sharing")?;
    ensure!(sharing == 0, "KSM left {sharing} pages merged");
    Ok(speed)
}

fn scanned() -> Result<u64> {
    get("pages_scanned")
}

fn get(name: &str) -> Result<u64> {
    let path = format!("{DIRECTORY}/{name}");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().parse()?)
}

fn set(name: &str, value: u64) -> Result<()> {
    let path = format!("{DIRECTORY}/{name}");
    fs::write(&path, value.to_string()).with_context(|| format!("cannot write {value} to {path}"))
}
