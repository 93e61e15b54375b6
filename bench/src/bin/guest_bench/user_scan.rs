// SPDX-License-Identifier: GPL-2.0-only

//! A yardstick: a scan in user space, by a program that has only `/proc` to read pages of other processes.

use anyhow::{Context, Result};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use xxhash_rust::xxh3::xxh3_64;

use guest::mapping::PAGE;

/// Bit of a `pagemap` entry that says that the page is present.
const PRESENT: u64 = 1 << 63;
/// Largest number of pages that are read by one call.
const BATCH: usize = 256;

/// Result of a scan.
#[derive(Default)]
pub struct Found {
    /// Number of pages that are present in read-only VMAs.
    pub pages: u64,
    by_hash: HashMap<u64, u64>,
}

impl Found {
    /// Returns the number of pages that have the same hash as another page.
    pub fn may_be_shared(&self) -> u64 {
        self.by_hash.values().filter(|&&pages| pages > 1).sum()
    }

    /// Scans the pages of a process.
    pub fn scan(&mut self, pid: Pid) -> Result<()> {
        let directory = format!("/proc/{pid}");
        let open = |name: &str| {
            let path = format!("{directory}/{name}");
            File::open(&path).with_context(|| format!("cannot open {path}"))
        };
        let maps = fs::read_to_string(format!("{directory}/maps"))?;
        let pagemap = open("pagemap")?;
        let mem = open("mem")?;
        let mut entries = vec![0; BATCH * 8];
        let mut bytes = vec![0; BATCH * PAGE];
        for (start, end) in maps.lines().filter_map(read_only_area) {
            for batch in (start..end).step_by(BATCH * PAGE) {
                let pages = ((end - batch) / PAGE).min(BATCH);
                let entries = &mut entries[..pages * 8];
                pagemap.read_exact_at(entries, (batch / PAGE * 8) as u64)?;
                let present: Vec<bool> = entries
                    .chunks_exact(8)
                    .map(|entry| entry.try_into().map_or(0, u64::from_le_bytes) & PRESENT != 0)
                    .collect();
                let mut page = 0;
                for run in present.chunk_by(|a, b| a == b) {
                    if run[0] {
                        let bytes = &mut bytes[..run.len() * PAGE];
                        mem.read_exact_at(bytes, (batch + page * PAGE) as u64)?;
                        for content in bytes.chunks_exact(PAGE) {
                            *self.by_hash.entry(xxh3_64(content)).or_default() += 1;
                        }
                        self.pages += run.len() as u64;
                    }
                    page += run.len();
                }
            }
        }
        Ok(())
    }
}

/// Returns the start and end of a VMA in a line of `/proc/<pid>/maps`, if the VMA is readable, not writable and not one
/// of the kernel's special mappings.
fn read_only_area(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?;
    let is_special = ["[vvar", "[vsyscall]"]
        .iter()
        .any(|name| line.contains(name));
    let address = |text| usize::from_str_radix(text, 16).ok();
    (permissions.starts_with("r-") && !is_special).then_some((address(start)?, address(end)?))
}
