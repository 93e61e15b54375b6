// SPDX-License-Identifier: GPL-2.0-only

//! State that all processes of a run share: whether to stop, whether the module is loaded, and counters that outlive
//! the processes that count.

use anyhow::{Context, Result};
use guest::shared::{Shared, SharedBetweenProcesses};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Counters of one slot: of all processes that run in it, one after the other.
#[derive(Default)]
#[repr(align(64))]
pub struct Counters {
    /// Commands that were given.
    pub commands: AtomicU64,
    /// Answers that were compared with what they must be.
    pub checked: AtomicU64,
    /// Answers that were wrong.
    pub mismatches: AtomicU64,
    /// Commands that were given while the module was being unloaded or loaded.
    pub unloaded: AtomicU64,
    /// Wrong answers that are explained by the module's bounded memory for answers.
    pub evicted: AtomicU64,
}

/// Sums of the counters of all slots.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// Sum of [`Counters::commands`] over all slots.
    pub commands: u64,
    /// Sum of [`Counters::checked`] over all slots.
    pub checked: u64,
    /// Sum of [`Counters::mismatches`] over all slots.
    pub mismatches: u64,
    /// Sum of [`Counters::unloaded`] over all slots.
    pub unloaded: u64,
    /// Sum of [`Counters::evicted`] over all slots.
    pub evicted: u64,
}

#[derive(Default)]
#[repr(align(64))]
struct Control {
    begun: AtomicBool,
    stop: AtomicBool,
    /// Odd while the module is being unloaded and loaded; never the same again.
    epoch: AtomicU64,
    /// Processes that wrote their first command.
    new_writers: AtomicU64,
}

// SAFETY: All fields are atomic and none refers to other memory.
unsafe impl SharedBetweenProcesses for Counters {}
// SAFETY: All fields are atomic and none refers to other memory.
unsafe impl SharedBetweenProcesses for Control {}

/// Handle of the state, which all processes forked from its maker share.
#[derive(Clone, Copy)]
pub struct SharedState {
    control: &'static Control,
    counters: &'static [Counters],
}

impl SharedState {
    /// Makes the state of a run of `slots` slots, with all counters at 0.
    pub fn new(slots: usize) -> Result<Self> {
        let control = Shared::new(1, Control::default)?.leak();
        Ok(Self {
            control: control.first().context("there is one value")?,
            counters: Shared::new(slots, Counters::default)?.leak(),
        })
    }

    /// Returns the counters of one slot.
    pub fn counters(&self, slot: usize) -> &'static Counters {
        &self.counters[slot]
    }

    /// Returns the sums over all slots.
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

    /// Releases all processes in [`Self::wait_for_begin`].
    pub fn begin(&self) {
        self.control.begun.store(true, SeqCst);
    }

    /// Waits until all processes of the run were started or the run is stopping.
    pub fn wait_for_begin(&self) {
        while !self.control.begun.load(SeqCst) && !self.is_stopping() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks all processes to end.
    pub fn stop(&self) {
        self.control.stop.store(true, SeqCst);
    }

    /// Returns true once all processes should end.
    pub fn is_stopping(&self) -> bool {
        self.control.stop.load(SeqCst)
    }

    /// Marks the beginning, and at the next call the end, of a time in which the module may not be loaded.
    pub fn advance_epoch(&self) {
        self.control.epoch.fetch_add(1, SeqCst);
    }

    /// Returns true while the module is being unloaded and loaded.
    pub fn is_module_absent(&self) -> bool {
        self.epoch() & 1 == 1
    }

    /// Waits until the module is loaded again or the run is stopping.
    pub fn wait_for_module(&self, interval: Duration) {
        while self.is_module_absent() && !self.is_stopping() {
            std::thread::sleep(interval);
        }
    }

    /// Returns the number of the current epoch, for [`module_stayed_loaded`].
    pub fn epoch(&self) -> u64 {
        self.control.epoch.load(SeqCst)
    }

    /// Counts processes that are about to write their first command.
    pub fn add_writers(&self, count: u64) {
        self.control.new_writers.fetch_add(count, SeqCst);
    }

    /// Returns the number of processes that wrote a first command so far.
    pub fn new_writers(&self) -> u64 {
        self.control.new_writers.load(SeqCst)
    }
}

/// Returns true if the module was loaded all the time between two readings of the epoch.
pub fn module_stayed_loaded(before: u64, after: u64) -> bool {
    before == after && before & 1 == 0
}
