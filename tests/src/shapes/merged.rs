// SPDX-License-Identifier: GPL-2.0-only

//! Pages that the kernel's same-page merging (KSM) merged.

use anyhow::{ensure, Context, Result};
use guest::mapping::{Area, RO};
use nix::sys::mman::MmapAdvise;
use std::time::{Duration, Instant};

/// Makes identical pages, waits until ksmd, which must run, has merged them, and makes them read-only.
pub fn merged(_: &str) -> Result<()> {
    let area = Area::small_pages(64)?;
    area.fill_all(|index| 200 + index as u64 % 2);
    area.advise(MmapAdvise::MADV_MERGEABLE)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while merging_pages()? < 60 {
        ensure!(
            Instant::now() < deadline,
            "ksmd merged only {} of 64 pages",
            merging_pages()?
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    area.protect(RO)
}

fn merging_pages() -> Result<u64> {
    let path = "/proc/self/ksm_merging_pages";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().parse()?)
}
