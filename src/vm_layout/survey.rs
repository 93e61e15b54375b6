// SPDX-License-Identifier: GPL-2.0-only

//! Surveys a process.
//!
//! All numbers of a survey are of one moment: they are taken under one hold of `mmap_lock` for writing, into memory that
//! was allocated before. If that is too small, the lock is released, more is allocated, and everything is taken again.
//! The lock is held for writing since `munmap(2)` does the last part of its work, which changes some of the numbers, with
//! the lock held for reading. Nothing is waited for and no path is looked up under it: that takes some 0.1 µs for
//! each area, in which the process cannot map memory or, in most cases, take a page fault.
//!
//! The paths of files are looked up afterwards, by references that were taken under the lock.

use crate::area_names::{FileNames, NamePool};
use abstractions_mm::accounting::MmCounter;
use abstractions_mm::area::{Area, AreaName, MappedFile};
use abstractions_mm::file_path::FilePath;
use abstractions_mm::mmap_write::MmapWrite;
use abstractions_mm::top_level::{address_mask, pgdir_shift, top_level_entries};
use abstractions_task::current::fatal_signal_pending;
use abstractions_task::thread_group::{FindError, ThreadGroup};
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic::comm::Comm;
use logic::interrupted::Interrupted;
use logic::text::BufferFull;
use logic_vm_layout::failure::ReportFailure;
use logic_vm_layout::layout::{Layout, LayoutArea, NameRange, Permissions, Segments, Span, Usage};
use logic_vm_layout::top_level::{TopLevel, TopLevelEntry, ENTRIES};

/// Whether physical addresses of page tables are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frames {
    /// They are told.
    Shown,
    /// They are 0, as in `/proc/<pid>/pagemap`.
    Hidden,
}

/// The data of one process at one moment.
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
    /// Surveys the process `pid`. If it executes another program during the survey, name and data are of the old program
    /// or of the new one, never of both. May sleep.
    ///
    /// # Errors
    ///
    /// Returns why there is no data: see [`ReportFailure`].
    pub(crate) fn of(pid: u32, frames: Frames) -> Result<Self, ReportFailure> {
        let process = ThreadGroup::find(pid).map_err(|error| match error {
            FindError::NoSuchProcess => ReportFailure::NoSuchProcess,
            FindError::KernelThread => ReportFailure::KernelThread,
            FindError::Exited => ReportFailure::Exited,
            FindError::ExecInProgress => ReportFailure::Executing,
            FindError::Interrupted => ReportFailure::Interrupted,
        })?;
        let mut survey = Self {
            pid,
            comm: process.comm,
            areas: KVVec::new(),
            names: NamePool::new(),
            segments: Segments::default(),
            usage: Usage::default(),
            top_level: KVec::with_capacity(ENTRIES, GFP_KERNEL_ACCOUNT)?,
        };
        let mut files = FileNames::new();
        // The memory is not needed for the paths: it may be freed while they are looked up.
        let mm = process.mm.mmget_not_zero().ok_or(ReportFailure::Exited)?;
        loop {
            let guard = MmapWrite::lock_killable(&mm)?;
            let areas = guard.map_count();
            let has_room = survey.areas.capacity() >= areas && files.capacity() >= areas;
            let taken = has_room && survey.take(&guard, &mut files, frames).is_ok();
            drop(guard);
            if taken {
                break;
            }
            if fatal_signal_pending() {
                return Err(Interrupted.into());
            }
            survey.make_room(areas, &mut files)?;
        }
        drop(mm);
        files.look_up(&mut survey.areas, &mut survey.names)?;
        Ok(survey)
    }

    /// Takes all data but the paths of files, into memory that is empty. Does not sleep.
    fn take(
        &mut self,
        guard: &MmapWrite<'_>,
        files: &mut FileNames,
        frames: Frames,
    ) -> Result<(), BufferFull> {
        // Neighbouring areas often map the same file.
        let mut last: Option<MappedFile<'_>> = None;
        let mut next = guard.find_area(0);
        while let Some(area) = next {
            let name = match area.name() {
                AreaName::File(file) => {
                    let is_same = last.is_some_and(|last| last.is(&file));
                    let path = (!is_same).then(|| FilePath::of(&file));
                    files.push(self.areas.len(), path)?;
                    last = Some(file);
                    NameRange::default()
                }
                name => self.names.write(&name)?,
            };
            self.areas
                .push_within_capacity(describe(&area, name))
                .map_err(|_| BufferFull)?;
            next = guard.find_area(area.end());
        }
        self.segments = segments(guard);
        self.usage = usage(guard);
        let mask = address_mask();
        for value in top_level_entries(guard) {
            let entry = TopLevelEntry {
                table: match frames {
                    Frames::Shown => value & mask,
                    Frames::Hidden => 0,
                },
                flag_bits: (value & !mask) as u64,
            };
            self.top_level
                .push_within_capacity(entry)
                .map_err(|_| BufferFull)?;
        }
        Ok(())
    }

    /// Empties the memory, and makes room for the data that did not fit: for this many areas, or else for more names. May
    /// sleep.
    fn make_room(&mut self, areas: usize, files: &mut FileNames) -> Result<(), AllocError> {
        self.areas.clear();
        self.names.clear();
        self.top_level.clear();
        files.clear();
        if self.areas.capacity() < areas || files.capacity() < areas {
            // The process may map more areas while the lock is released.
            let room = areas + areas / 8 + 16;
            self.areas.reserve(room, GFP_KERNEL_ACCOUNT)?;
            files.reserve(room)
        } else {
            self.names.grow()
        }
    }

    /// Returns the data as reports show it.
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

fn describe(area: &Area<'_>, name: NameRange) -> LayoutArea {
    LayoutArea {
        span: Span {
            start: area.start(),
            end: area.end(),
        },
        permissions: Permissions {
            read: area.is_readable(),
            write: area.is_writable(),
            execute: area.is_executable(),
            shared: area.is_shared(),
        },
        offset: area.file_offset(),
        name,
    }
}

fn segments(guard: &MmapWrite<'_>) -> Segments {
    let mm = guard.segments();
    let span = |start, end| Span { start, end };
    let stack = guard
        .find_area(mm.start_stack)
        .filter(|area| area.start() <= mm.start_stack);
    Segments {
        code: span(mm.start_code, mm.end_code),
        data: span(mm.start_data, mm.end_data),
        stack: stack.map_or(span(mm.start_stack, mm.start_stack), |area| {
            span(area.start(), area.end())
        }),
        heap: span(mm.start_brk, mm.brk),
        arguments: span(mm.arg_start, mm.arg_end),
        environment: span(mm.env_start, mm.env_end),
    }
}

/// Returns how much memory the process uses. Page faults that lock a single area do not wait for the lock, so the numbers
/// of resident pages are exact only for a process that does not run.
fn usage(guard: &MmapWrite<'_>) -> Usage {
    let pages = |counter| guard.counter(counter) as u64;
    Usage {
        anonymous_pages: pages(MmCounter::Anonymous),
        file_pages: pages(MmCounter::File),
        shmem_pages: pages(MmCounter::SharedMemory),
        swap_pages: pages(MmCounter::Swap),
        page_table_bytes: guard.page_table_bytes() as u64,
        total_vm_pages: guard.total_vm() as u64,
    }
}
