// SPDX-License-Identifier: GPL-2.0-only

//! Processes that share page tables, and end the sharing while others may look at them.
//!
//! Mappings of a hugetlb file in several processes share the page tables of whole gibibytes. If one of the processes
//! unmaps them, the tables are not freed: the others keep them, and may put anything into them that is not of this file.
//! Kernel code that found a table through the first process must not read on in it.
//!
//! No huge page and no privilege is needed: a page fault makes and shares the table before it finds out that there is no
//! huge page.

use crate::child::{self, pipe};
use crate::image;
use crate::mapping::{secret_memory, Area, Mapping, HUGE, PAGE, RO, RW};
use anyhow::{ensure, Context, Result};
use linux_raw_sys::general::MADV_POPULATE_READ;
use nix::errno::Errno;
use nix::fcntl::{fallocate, FallocateFlags};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::mman::{MapFlags, MmapAdvise};
use nix::sys::signal::{kill, Signal};
use nix::unistd::ftruncate;
use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};

/// Size in pages of the memory that one shared page table maps.
const TABLE: usize = (1 << 30) / PAGE;
/// Size of a huge page in pages.
const HUGE_PAGES: usize = HUGE / PAGE;
/// Number of pages that take the place of a huge page of the file.
const FOREIGN_PAGES: usize = 16;
/// Seed of the contents of the pages that take the place of the file.
const FOREIGN_SEED: u64 = 77;

/// How a process ends the sharing.
#[derive(Clone, Copy)]
pub enum Unsharing {
    /// Discards the mapping of one process (`MADV_DONTNEED`).
    Discard,
    /// Punches a hole into the file.
    PunchHole,
}

/// Pages that the other process puts into the table that it keeps.
#[derive(Clone, Copy)]
pub enum Foreign {
    /// Anonymous pages, all with the same content.
    Anonymous,
    /// Pages of memfd_secret(2), which the kernel itself cannot read.
    Secret,
}

/// A hugetlb file that this process maps for reading, and of which it has no page.
pub struct SharedTables {
    file: File,
    area: Area,
    tables: usize,
}

impl SharedTables {
    /// Makes all other memory of this process writable, and maps the file so that `tables` page tables can be shared.
    ///
    /// # Errors
    ///
    /// If the kernel does not have hugetlb files, the error contains the [`Errno`] of memfd_create(2).
    pub fn map(tables: usize) -> Result<Self> {
        image::make_writable()?;
        let file = memfd_create(
            c"shared-tables",
            MFdFlags::MFD_HUGETLB | MFdFlags::MFD_CLOEXEC,
        )
        .context("cannot make a hugetlb file")?;
        let file = File::from(file);
        // One more than is shared, so that the area contains whole tables.
        let pages = (tables + 1) * TABLE;
        ftruncate(&file, (pages * PAGE) as i64).context("cannot size a hugetlb file")?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        let around = Area::of_file(&file, 0, pages, RO, flags)?;
        let skip = around.start().align_offset(TABLE * PAGE) / PAGE;
        let area = around.part(skip..skip + tables * TABLE);
        Ok(Self { file, area, tables })
    }

    fn table(&self, index: usize) -> Area {
        self.area.part(index * TABLE..(index + 1) * TABLE)
    }

    /// Makes the tables, or finds those that another process has.
    fn share(&self) {
        for index in 0..self.tables {
            // Fails with EFAULT after the table was shared, if no huge page is to be had.
            let first = self.table(index).part(0..HUGE_PAGES);
            let _ = first.advise_by_number(MADV_POPULATE_READ);
        }
    }

    /// Shares all tables with a child named `comm`; runs `pause`, ends the sharing, and has the child put foreign pages
    /// into the tables, which are now its own; runs `pause` again, and ends the child.
    pub fn round(
        &self,
        comm: &CStr,
        unsharing: Unsharing,
        foreign: Foreign,
        mut pause: impl FnMut(),
    ) -> Result<()> {
        self.share();
        let (mut from_child, mut to_parent) = pipe()?;
        let (mut from_parent, mut to_child) = pipe()?;
        let child = child::start(|| {
            nix::sys::prctl::set_name(comm)?;
            self.share();
            to_parent.write_all(&[0]).map_err(child::errno_of)?;
            from_parent.read_exact(&mut [0]).map_err(child::errno_of)?;
            let _pages = self.replace(foreign)?;
            to_parent.write_all(&[0]).map_err(child::errno_of)?;
            from_parent.read_exact(&mut [0]).map_err(child::errno_of)
        })
        .context("cannot fork")?;
        // So that a child that fails is noticed.
        drop((to_parent, from_parent));
        let mut hear = || from_child.read_exact(&mut [0]).context("the child failed");
        let mut steps = || -> Result<()> {
            hear()?;
            pause();
            self.unshare(unsharing)?;
            to_child.write_all(&[0])?;
            hear()?;
            pause();
            Ok(to_child.write_all(&[0])?)
        };
        let done = steps();
        if done.is_err() {
            let _ = kill(child, Signal::SIGKILL);
        }
        let status = child::wait(child)?;
        done?;
        let outcome = child::outcome(status)?;
        ensure!(
            outcome.is_ok(),
            "a process that shares tables failed: {outcome:?}"
        );
        Ok(())
    }

    fn unshare(&self, unsharing: Unsharing) -> Result<()> {
        match unsharing {
            Unsharing::Discard => self.area.advise(MmapAdvise::MADV_DONTNEED),
            Unsharing::PunchHole => {
                let flags =
                    FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
                let length = (self.tables + 1) * TABLE * PAGE;
                fallocate(&self.file, flags, 0, length as i64).context("cannot punch a hole")
            }
        }
    }

    /// Unmaps the last huge page of each table, and maps foreign pages there.
    fn replace(&self, foreign: Foreign) -> Result<Vec<Mapping>, Errno> {
        let secret = match foreign {
            Foreign::Anonymous => None,
            Foreign::Secret => {
                let file = secret_memory().map_err(child::errno_of)?;
                ftruncate(&file, (FOREIGN_PAGES * PAGE) as i64)?;
                Some(file)
            }
        };
        let errno = |error: anyhow::Error| error.downcast().unwrap_or(Errno::EIO);
        let mut pages = Vec::with_capacity(self.tables);
        for index in 0..self.tables {
            let last = self.table(index).part(TABLE - HUGE_PAGES..TABLE);
            last.unmap().map_err(errno)?;
            let at = last.start().addr().get();
            let foreign = match &secret {
                None => Mapping::anonymous_at(at, FOREIGN_PAGES, RW),
                Some(file) => Mapping::of_file_at(at, file, FOREIGN_PAGES, RW),
            };
            let foreign = foreign.map_err(errno)?;
            foreign.fill_all(|_| FOREIGN_SEED);
            pages.push(foreign);
        }
        Ok(pages)
    }
}
