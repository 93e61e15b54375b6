// SPDX-License-Identifier: GPL-2.0-only

//! Looks at a process: all that is reported is of one moment, taken while its `mmap_lock` is held for
//! reading, into memory that was allocated before. What does not fit is allocated with the lock
//! released, and then all is taken anew.

use abstractions::mm::MmapRead;
use abstractions::task::{fatal_signal_pending, FindError, ThreadGroup};
use abstractions::top_level::{pgdir_shift, read_top_level};
use abstractions::vma::{Describer, NamePool};
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic::comm::Comm;
use logic::interrupted::Interrupted;
use logic::text::BufferFull;
use logic_vm_layout::failure::ReportFailure;
use logic_vm_layout::layout::{Layout, LayoutArea, Segments, Usage};
use logic_vm_layout::top_level::{TopLevel, TopLevelEntry, ENTRIES};

/// What was found.
pub(crate) struct Survey {
    pid: u32,
    comm: Comm,
    areas: KVVec<LayoutArea>,
    names: NamePool,
    segments: Segments,
    usage: Usage,
    top_level: KVec<TopLevelEntry>,
}

impl Survey {
    /// Looks at the process `pid`. If it executes another program meanwhile, this is about the old or
    /// the new one, never about both. May sleep.
    ///
    /// # Errors
    ///
    /// Without process or address space; no memory; a fatal signal.
    pub(crate) fn of(pid: u32) -> Result<Self, ReportFailure> {
        let process = ThreadGroup::find(pid).map_err(|error| match error {
            FindError::NoSuchProcess => ReportFailure::NoSuchProcess,
            FindError::KernelThread => ReportFailure::KernelThread,
        })?;
        let mm = process.mm().ok_or(ReportFailure::Exited)?;
        let mut survey = Self {
            pid,
            comm: process.comm,
            areas: KVVec::new(),
            names: NamePool::new(),
            segments: Segments::default(),
            usage: Usage::default(),
            top_level: KVec::with_capacity(ENTRIES, GFP_KERNEL_ACCOUNT)?,
        };
        loop {
            let guard = MmapRead::lock_killable(&mm)?;
            let areas = guard.map_count();
            if survey.areas.capacity() >= areas && survey.take(&guard).is_ok() {
                return Ok(survey);
            }
            drop(guard);
            if fatal_signal_pending() {
                return Err(Interrupted.into());
            }
            survey.make_room(areas)?;
        }
    }

    /// Takes all of one moment. Does not sleep.
    fn take(&mut self, guard: &MmapRead<'_>) -> Result<(), BufferFull> {
        let areas = &mut self.areas;
        areas.clear();
        Describer::new(guard, &mut self.names)
            .describe_all(|area| areas.push_within_capacity(area).map_err(|_| BufferFull))?;
        self.segments = guard.segments();
        self.usage = guard.usage();
        read_top_level(guard, &mut self.top_level)
    }

    /// Makes room for what did not fit: this many areas, else their names.
    fn make_room(&mut self, areas: usize) -> Result<(), AllocError> {
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
