// SPDX-License-Identifier: GPL-2.0-only

//! Processes that repeat something without pause while a test runs.

use super::Helper;
use crate::command_file;
use crate::memory_info;
use anyhow::{ensure, Result};
use guest::child::Outcome;
use guest::shared::{Shared, SharedBetweenProcesses};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Time limit for the process to begin, to end or to pause an action.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    pause: AtomicBool,
    pauses: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
}

// SAFETY: All fields are atomic and none refers to other memory.
unsafe impl SharedBetweenProcesses for State {}

/// A process that repeats an action. Dropping this ends it; the test fails if it has ended by itself.
pub struct Repeater {
    _process: Helper,
    state: Shared<State>,
}

impl Repeater {
    /// Forks the process. It keeps the memory that this process has now, so large memory is better mapped later.
    pub fn start(what: &str, mut action: impl FnMut() -> Outcome) -> Result<Self> {
        let state = Shared::new(1, State::default)?;
        let process = Helper::fork(what, || loop {
            let state = &state[0];
            while state.pause.load(SeqCst) {
                state.pauses.store(true, SeqCst);
                std::thread::sleep(Duration::from_micros(200));
            }
            state.pauses.store(false, SeqCst);
            state.begun.fetch_add(1, SeqCst);
            action()?;
            state.ended.fetch_add(1, SeqCst);
        })?;
        Ok(Self {
            _process: process,
            state,
        })
    }

    /// Starts a process that gives the command RESET without pause.
    pub fn of_resets() -> Result<Self> {
        let file = memory_info::open()?;
        Self::start("process of RESETs", move || {
            command_file::write(&file, b"RESET\n").map(drop)
        })
    }

    /// Waits until `count` actions that begin after this call have ended.
    pub fn wait_for(&self, count: u64) -> Result<()> {
        let last = self.state[0].begun.load(SeqCst) + count;
        self.wait_until(|state| state.ended.load(SeqCst) >= last)
    }

    /// Waits until the process begins an action.
    pub fn wait_for_begin(&self) -> Result<()> {
        let begun = self.state[0].begun.load(SeqCst);
        self.wait_until(|state| state.begun.load(SeqCst) > begun)
    }

    /// Waits until the action ends, and has the process wait before it begins another one.
    pub fn pause(&self) -> Result<()> {
        self.state[0].pause.store(true, SeqCst);
        self.wait_until(|state| state.pauses.load(SeqCst))
    }

    /// Has the process go on.
    pub fn go_on(&self) {
        self.state[0].pause.store(false, SeqCst);
    }

    /// Returns the mean time of an action, measured now.
    pub fn mean_time(&self) -> Result<Duration> {
        const ACTIONS: u64 = 3;
        self.wait_for_begin()?;
        let start = Instant::now();
        let first = self.state[0].begun.load(SeqCst);
        self.wait_until(|state| state.begun.load(SeqCst) >= first + ACTIONS)?;
        Ok(start.elapsed() / ACTIONS as u32)
    }

    fn wait_until(&self, condition: impl Fn(&State) -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !condition(&self.state[0]) {
            ensure!(
                Instant::now() < deadline,
                "a process did not repeat its action within {LIMIT:?}"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}
