// SPDX-License-Identifier: GPL-2.0-only

//! Looks at a process: all that is reported is of one moment, taken while its `mmap_lock` is held for
//! reading, into memory that was allocated before. What does not fit is allocated with the lock
//! released, and then all is taken anew.

use abstractions::mm::MmapRead;
use abstractions::task::{fatal_signal_pending, ThreadGroup};
use abstractions::top_level::{pgdir_shift, read_top_level};
use abstractions::vma::{Describer, NamePool};
use kernel::prelude::*;
use logic::answer::Failure;
use logic::comm::Comm;
use logic::layout::top_level::{Entry, TopLevel, ENTRIES};
use logic::layout::{Area, Layout, Segments, Usage};
use logic::text::NoRoom;

/// What was found.
pub(crate) struct Survey {
    pid: u32,
    comm: Comm,
    areas: KVVec<Area>,
    names: NamePool,
    segments: Segments,
    usage: Usage,
    top_level: KVec<Entry>,
}

impl Survey {
    /// Looks at the process `pid`. If it executes another program meanwhile, this is about the old or
    /// the new one, never about both. May sleep.
    ///
    /// # Errors
    ///
    /// Without process or address space; no memory; a fatal signal.
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let process = ThreadGroup::find(pid)?;
        let mm = process.mm().ok_or(Failure::Exited)?;
        let mut survey = Self {
            pid,
            comm: process.comm,
            areas: KVVec::new(),
            names: NamePool::new(),
            segments: Segments::default(),
            usage: Usage::default(),
            top_level: KVec::with_capacity(ENTRIES, GFP_KERNEL_ACCOUNT)
                .map_err(|_| Failure::NoMemory)?,
        };
        loop {
            let guard = MmapRead::lock_killable(&mm).map_err(|_| Failure::Interrupted)?;
            let areas = guard.map_count();
            if survey.areas.capacity() >= areas && survey.take(&guard).is_ok() {
                return Ok(survey);
            }
            drop(guard);
            if fatal_signal_pending() {
                return Err(Failure::Interrupted);
            }
            survey.make_room(areas).map_err(|_| Failure::NoMemory)?;
        }
    }

    /// Takes all of one moment. Does not sleep.
    fn take(&mut self, guard: &MmapRead<'_>) -> Result<(), NoRoom> {
        let areas = &mut self.areas;
        areas.clear();
        Describer::new(guard, &mut self.names)
            .describe_all(|area| areas.push_within_capacity(area).map_err(|_| NoRoom))?;
        self.segments = guard.segments();
        self.usage = guard.usage();
        read_top_level(guard, &mut self.top_level)
    }

    /// Makes room for what did not fit: this many areas, else their names.
    fn make_room(&mut self, areas: usize) -> Result {
        if self.areas.capacity() < areas {
            self.areas.clear();
            // There may be more by the time of the next look.
            let room = areas + areas / 8 + 16;
            self.areas.reserve(room, GFP_KERNEL_ACCOUNT)?;
        } else {
            self.names.grow()?;
        }
        Ok(())
    }

    /// What is to be shown.
    pub(crate) fn layout(&self) -> Layout<'_> {
        Layout {
            pid: self.pid,
            comm: &self.comm,
            areas: &self.areas,
            names: self.names.as_bytes(),
            segments: self.segments,
            usage: self.usage,
            top_level: TopLevel::new(&self.top_level, pgdir_shift()),
        }
    }
}
