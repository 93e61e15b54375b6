// SPDX-License-Identifier: GPL-2.0-only

//! Processes that join a set of other processes, change all the time, and leave it, and of which it is known what they
//! add to the counts of the set.
//!
//! The set also has processes that are stopped. The part of the counts that is theirs can be told from the answer, because
//! the processes of this file
//!
//! - make all memory writable that they began with, before they take the name of the set ([`crate::image`]), so that
//!   their only read-only pages are those that they map themselves;
//! - keep their read-only pages from their children (`MADV_DONTFORK`), so that no frame is mapped twice by a fork;
//! - never move a read-only page, so that no scan finds the same page at two addresses;
//! - leave the name of the set in the same execve(2) that replaces their memory.
//!
//! With [`Contents::Unique`], no content of a read-only page exists twice, at any time of the run. So they add nothing to
//! `may_be_shared` and `nb_group`: both must be those of the stopped processes, exactly, whenever and however often frames
//! are freed and used again. With [`Contents::Copies`], all contents are those of classes that the stopped processes fill
//! alone. So `nb_group` must still be exact, and `may_be_shared` must not be less, although the page that a scan compares
//! the others with is often one that is unmapped during the scan.

use crate::mapping::{Mapping, HUGE, PAGE, RO, RW};
use crate::shared::Shared;
use crate::{child, image};
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use nix::sys::mman::MmapAdvise;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::WaitStatus;
use std::ffi::CStr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Most pages of a read-only mapping.
const MOST_PAGES: usize = 96;
/// Most read-only mappings that a process has at a time.
const MOST_MAPPINGS: usize = 5;
/// Changes that a process makes before it exits.
const CHANGES: usize = 60;
/// Longest time after which a process is killed.
const LONGEST_LIFE: Duration = Duration::from_millis(40);

/// First seed of contents that no stopped process may have; see [`crate::mapping::Area::fill`].
pub const FIRST_UNIQUE_SEED: u64 = 1 << 40;

/// Contents of the read-only pages.
#[derive(Clone, Copy)]
pub enum Contents<'a> {
    /// No content exists twice. The counter is that of the contents so far.
    Unique(&'a Shared<AtomicU64>),
    /// Each content is one of those of the seeds from 0 up to this number.
    Copies(u64),
}

impl Contents<'_> {
    /// Returns a counter for [`Contents::Unique`], which must be made before the processes that use it.
    pub fn counter() -> Result<Shared<AtomicU64>> {
        Shared::new(1, || AtomicU64::new(FIRST_UNIQUE_SEED))
    }

    fn seed(&self, rng: &mut Rng) -> u64 {
        match self {
            Self::Unique(counter) => counter[0].fetch_add(1, Relaxed),
            Self::Copies(seeds) => rng.u64(..*seeds),
        }
    }
}

/// How a process ends.
enum End {
    Exit,
    Exec,
    Kill,
}

/// What the processes have in common.
pub struct SetChurn<'a> {
    comm: &'a CStr,
    contents: Contents<'a>,
}

impl<'a> SetChurn<'a> {
    /// Prepares this process for forking processes that join the set `comm`. It must have another name itself.
    pub fn new(comm: &'a CStr, contents: Contents<'a>) -> Result<Self> {
        image::make_writable()?;
        Ok(Self { comm, contents })
    }

    /// Forks a process that joins the set, and ends it in a random way: it exits, executes `program`, or is killed.
    ///
    /// `program` must end at once with success, and its file must not have the name of the set.
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be started, if the system refuses it memory, or if it ends in another way than it
    /// should.
    pub fn round(&self, rng: &mut Rng, program: &mut Command) -> Result<()> {
        let end = match rng.u8(..3) {
            0 => End::Exit,
            1 => End::Exec,
            _ => End::Kill,
        };
        let life = Duration::from_micros(rng.u64(..LONGEST_LIFE.as_micros() as u64));
        let mut rng_of_child = rng.fork();
        let member = child::start_with_status(|| {
            self.live(&end, &mut rng_of_child, program)
                .unwrap_or_else(|error| {
                    eprintln!("a process of the churn in a set failed: {error:#}");
                    1
                })
        })
        .context("cannot fork")?;
        if matches!(end, End::Kill) {
            std::thread::sleep(life);
            kill(member, Signal::SIGKILL)?;
        }
        let status = child::wait(member)?;
        ensure!(
            match end {
                End::Kill => matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
                _ => matches!(status, WaitStatus::Exited(_, 0)),
            },
            "a process of the churn in a set ended with {status:?}"
        );
        Ok(())
    }

    /// Returns the exit status of a process.
    fn live(&self, end: &End, rng: &mut Rng, program: &mut Command) -> Result<i32> {
        nix::sys::prctl::set_name(self.comm)?;
        let mut mappings = Vec::with_capacity(MOST_MAPPINGS);
        for _ in 0..CHANGES {
            change(rng, self.contents, &mut mappings)?;
        }
        match end {
            End::Exit => {
                let grandchild = child::start_with_status(|| {
                    // What the parent mapped does not exist here.
                    let mut own = Vec::with_capacity(MOST_MAPPINGS);
                    let changed =
                        (0..CHANGES / 4).try_for_each(|_| change(rng, self.contents, &mut own));
                    i32::from(changed.is_err())
                });
                let status = grandchild.and_then(child::wait);
                Ok(i32::from(!matches!(status, Ok(WaitStatus::Exited(_, 0)))))
            }
            // Returns only if it fails.
            End::Exec => Err(program.exec()).with_context(|| format!("cannot execute {program:?}")),
            End::Kill => loop {
                change(rng, self.contents, &mut mappings)?;
            },
        }
    }
}

/// Makes one random change of the memory of this process.
fn change(rng: &mut Rng, contents: Contents<'_>, mappings: &mut Vec<Mapping>) -> Result<()> {
    match rng.u8(..6) {
        _ if mappings.is_empty() => add(rng, contents, mappings),
        0 | 1 if mappings.len() < MOST_MAPPINGS => add(rng, contents, mappings),
        2 => {
            let mapping = &mappings[rng.usize(..mappings.len())];
            mapping.protect(RW)?;
            fill(rng, contents, mapping);
            mapping.protect(RO)
        }
        3 => {
            let mapping = &mappings[rng.usize(..mappings.len())];
            let start = rng.usize(..mapping.pages());
            let end = rng.usize(start + 1..=mapping.pages());
            mapping.part(start..end).advise(MmapAdvise::MADV_DONTNEED)
        }
        4 => {
            // Writable memory, which takes frames that others have just freed.
            let writable = Mapping::anonymous(HUGE / PAGE / 8, RW)?;
            (0..writable.pages()).for_each(|page| writable.touch_for_writing(page));
            Ok(())
        }
        _ => {
            drop(mappings.swap_remove(rng.usize(..mappings.len())));
            Ok(())
        }
    }
}

fn add(rng: &mut Rng, contents: Contents<'_>, mappings: &mut Vec<Mapping>) -> Result<()> {
    let mapping = Mapping::anonymous(rng.usize(1..=MOST_PAGES), RW)?;
    mapping.advise_no_huge_pages()?;
    mapping.advise(MmapAdvise::MADV_DONTFORK)?;
    fill(rng, contents, &mapping);
    mapping.protect(RO)?;
    mappings.push(mapping);
    Ok(())
}

fn fill(rng: &mut Rng, contents: Contents<'_>, mapping: &Mapping) {
    for page in 0..mapping.pages() {
        mapping.fill(page, contents.seed(rng));
    }
}
