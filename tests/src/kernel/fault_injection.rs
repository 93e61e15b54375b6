// SPDX-License-Identifier: GPL-2.0-only

//! Fault injection: allocations of the kernel that fail on request.
//!
//! Kernel documentation: `Documentation/fault-injection/fault-injection.rst`.

pub mod load;

use crate::case::skip;
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Mount point of debugfs.
const DEBUGFS: &str = "/sys/kernel/debug";
/// Kinds of fault injection, and the settings that only they have.
const SETTINGS: [(&str, &[(&str, &str)]); 2] = [
    ("failslab", &[("ignore-gfp-wait", "N")]),
    (
        "fail_page_alloc",
        &[
            ("ignore-gfp-wait", "N"),
            ("ignore-gfp-highmem", "N"),
            ("min-order", "0"),
        ],
    ),
];

/// Fault injection for the allocations that the kernel makes for this thread.
pub struct Faults {
    nth: File,
    chosen: File,
}

/// Result of a call, and whether an allocation failed during it.
pub struct Tried<T> {
    /// Value that the call returned.
    pub outcome: T,
    /// Number of further allocations after which one would have failed; 0 if one failed.
    pub short_by: u32,
}

impl Faults {
    /// Prepares fault injection. Skips the test if the kernel does not have it.
    pub fn set_up() -> Result<Self> {
        const NTH: &str = "/proc/thread-self/fail-nth";
        if !Path::new(NTH).exists() {
            return skip("this kernel does not have fault injection; the debug kernel has it");
        }
        for (kind, settings) in SETTINGS {
            let all = [
                ("probability", "0"),
                ("interval", "1"),
                ("times", "-1"),
                ("task-filter", "Y"),
                // The stack trace of each failure would look like a warning.
                ("verbose", "0"),
            ];
            for (name, value) in all.iter().chain(settings) {
                set(kind, name, value)?;
            }
        }
        let open = |path: &str| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .with_context(|| format!("cannot open {path}"))
        };
        Ok(Self {
            nth: open(NTH)?,
            chosen: open("/proc/thread-self/make-it-fail")?,
        })
    }

    /// Runs `call`, during which the `n`th allocation fails.
    pub fn at<T>(&self, n: u32, call: impl FnOnce() -> T) -> Result<Tried<T>> {
        self.nth.write_all_at(n.to_string().as_bytes(), 0)?;
        let outcome = call();
        let mut left = [0; 16];
        let length = self.nth.read_at(&mut left, 0);
        self.nth.write_all_at(b"0", 0)?;
        let left = String::from_utf8_lossy(&left[..length?]).trim().to_owned();
        Ok(Tried {
            outcome,
            short_by: left
                .parse()
                .with_context(|| format!("fail-nth reads as {left:?}"))?,
        })
    }

    /// Runs `call`, during which one of `every` allocations fails.
    pub fn one_in<T>(&self, every: u32, call: impl FnOnce() -> T) -> Result<T> {
        for (kind, _) in SETTINGS {
            set(kind, "interval", &every.to_string())?;
            set(kind, "probability", "100")?;
        }
        self.chosen.write_all_at(b"1", 0)?;
        let outcome = call();
        self.chosen.write_all_at(b"0", 0)?;
        for (kind, _) in SETTINGS {
            set(kind, "probability", "0")?;
        }
        Ok(outcome)
    }
}

fn set(kind: &str, name: &str, value: &str) -> Result<()> {
    let path = format!("{DEBUGFS}/{kind}/{name}");
    std::fs::write(&path, value).with_context(|| format!("cannot write {value} to {path}"))
}
