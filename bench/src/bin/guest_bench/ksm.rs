// SPDX-License-Identifier: GPL-2.0-only

//! A yardstick: KSM (kernel samepage merging), which also searches for identical pages.

use anyhow::{ensure, Context, Result};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const DIRECTORY: &str = "/sys/kernel/mm/ksm";
/// Number of full scans after which KSM has merged all identical pages: the first scan only records checksums.
const SCANS: u64 = 2;

/// Returns true if this kernel has KSM.
pub fn exists() -> bool {
    Path::new(DIRECTORY).exists()
}

/// Pages that KSM scanned in some time.
pub struct Speed {
    /// Number of scanned pages; a page that was scanned twice counts twice.
    pub pages: u64,
    /// Time of the scan.
    pub time: Duration,
}

/// Lets KSM scan `pages` mergeable pages [`SCANS`] times at full speed, and then undoes all merging.
pub fn scan(pages: u64) -> Result<Speed> {
    // Scan every page in each scan, without pauses.
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
            "KSM scanned only {} pages in two minutes",
            now - first
        );
        std::thread::sleep(Duration::from_millis(1));
    };
    // Unmerges all pages; returns when that is done.
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
