// SPDX-License-Identifier: GPL-2.0-only

//! What all processes of a run share: when to stop, whether the module is there, and counters that
//! survive the processes that count.

use anyhow::{Context, Result};
use nix::sys::mman::{mmap_anonymous, MapFlags, ProtFlags};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Counters of one place: a shell and those that come after it, or a churning process.
#[repr(C, align(64))]
pub struct Counters {
    /// Commands given.
    pub commands: AtomicU64,
    /// Answers compared with what they must be.
    pub checked: AtomicU64,
    /// Answers that were wrong.
    pub mismatches: AtomicU64,
    /// Commands that met the module being unloaded or loaded.
    pub unloaded: AtomicU64,
    /// Wrong answers that are explained by the module's bounded memory for answers.
    pub evicted: AtomicU64,
}

/// The counters of all places, summed.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    pub commands: u64,
    pub checked: u64,
    pub mismatches: u64,
    pub unloaded: u64,
    pub evicted: u64,
}

#[repr(C, align(64))]
struct Header {
    begun: AtomicBool,
    stop: AtomicBool,
    /// Odd while the module is being unloaded and loaded; each time has a number of its own.
    epoch: AtomicU64,
    /// Processes that wrote a command for the first time.
    new_writers: AtomicU64,
}

/// Memory that is shared with all processes forked from here.
#[derive(Clone, Copy)]
pub struct Board {
    header: &'static Header,
    counters: &'static [Counters],
}

impl Board {
    /// A board with `places` counters, all 0.
    pub fn new(places: usize) -> Result<Self> {
        let bytes = size_of::<Header>() + places * size_of::<Counters>();
        let bytes = NonZeroUsize::new(bytes).context("a board has a size")?;
        // SAFETY: a new mapping that is never unmapped.
        let start = unsafe {
            mmap_anonymous(
                None,
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )
        }
        .context("cannot map memory to share")?;
        let header = start.cast::<Header>();
        // SAFETY: the mapping is as large as both, aligned to pages, lives for ever, and is zeroed,
        // which is a value of these types; all that is in them is atomic.
        unsafe {
            Ok(Self {
                header: header.as_ref(),
                counters: std::slice::from_raw_parts(header.add(1).cast().as_ptr(), places),
            })
        }
    }

    /// Counters of one place.
    pub fn counters(&self, place: usize) -> &'static Counters {
        &self.counters[place]
    }

    /// The sum over all places.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for counters in self.counters {
            totals.commands += counters.commands.load(SeqCst);
            totals.checked += counters.checked.load(SeqCst);
            totals.mismatches += counters.mismatches.load(SeqCst);
            totals.unloaded += counters.unloaded.load(SeqCst);
            totals.evicted += counters.evicted.load(SeqCst);
        }
        totals
    }

    /// Lets those go who [`Self::wait_for_begin`].
    pub fn begin(&self) {
        self.header.begun.store(true, SeqCst);
    }

    /// Waits until all processes were started, or should end.
    pub fn wait_for_begin(&self) {
        while !self.header.begun.load(SeqCst) && !self.is_stopping() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks all processes to end.
    pub fn stop(&self) {
        self.header.stop.store(true, SeqCst);
    }

    /// True once all should end.
    pub fn is_stopping(&self) -> bool {
        self.header.stop.load(SeqCst)
    }

    /// Marks the beginning, and then the end, of a time in which the module may be missing.
    pub fn turn_epoch(&self) {
        self.header.epoch.fetch_add(1, SeqCst);
    }

    /// True while the module is being unloaded and loaded.
    pub fn is_absent(&self) -> bool {
        self.epoch() & 1 == 1
    }

    /// The number of the present time; see [`is_whole`].
    pub fn epoch(&self) -> u64 {
        self.header.epoch.load(SeqCst)
    }

    /// Notes that processes write their first command.
    pub fn add_writers(&self, count: u64) {
        self.header.new_writers.fetch_add(count, SeqCst);
    }

    /// How many processes wrote a first command so far.
    pub fn new_writers(&self) -> u64 {
        self.header.new_writers.load(SeqCst)
    }
}

/// True if the module was there all the time from one reading of the epoch to another.
pub fn is_whole(before: u64, after: u64) -> bool {
    before == after && before & 1 == 0
}
