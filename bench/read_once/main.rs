// SPDX-License-Identifier: GPL-2.0-only

//! A yardstick of the bench, which is not part of the product: one pass over the pages that RESET looks at.
//!
//! A write to `/proc/read_once` reads each read-only page of each process once, during the page walk, without
//! reference, copy or hash. This stalls the processes, which a product must not do, but no pass on one processor is
//! cheaper. Reading the file returns the number of pages.

use abstractions_mm::mmap_lock::MmapRead;
use abstractions_pages::mapped_page::MappedPage;
use abstractions_pages::page_walk::{walk, Visitor};
use abstractions_procfs::{FileMode, FileText, ProcEntry, ProcFile};
use abstractions_task::current::cond_resched;
use abstractions_task::thread_group::thread_groups;
use core::ops::ControlFlow;
use kernel::iov::IovIterSource;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::rcu;
use logic::units::Pfn;

module! {
    type: ReadOnce,
    name: "read_once",
    authors: ["The rust-memory-modules authors"],
    description: "Reads each read-only page of each process once, to be compared with",
    license: "GPL",
}

/// Table entries that are read before the `mmap_lock` is released, as in a RESET.
const BATCH_ENTRIES: usize = 4096;

unsafe extern "C" {
    /// Reads a whole page, while the first lines of the page that is likely to be next are fetched.
    fn read_once_sum(pfn: usize, next: usize) -> u64;
}

struct ReadOnce {
    _file: ProcEntry<PassFile>,
}

impl kernel::Module for ReadOnce {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mode = FileMode::new(0o600).ok_or(EINVAL)?;
        let file = PassFile {
            pages: Atomic::new(0),
            sum: Atomic::new(0),
        };
        Ok(Self {
            _file: ProcEntry::create(c"read_once", mode, file, GFP_KERNEL)?,
        })
    }
}

/// The result of the last pass.
struct PassFile {
    pages: Atomic<u64>,
    /// Stored so that the compiler does not remove the reads.
    sum: Atomic<u64>,
}

impl ProcFile for PassFile {
    type Open = ();
    type Text = Number;

    fn open(&self) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    fn text(&self, _open: &()) -> Result<FileText<Number>> {
        let text = CString::try_from_fmt(fmt!("{}\n", self.pages.load(Relaxed)))?;
        Ok(FileText {
            text: Number(text),
            version: 0,
        })
    }

    fn write(&self, _open: &(), _from: Result<&mut IovIterSource<'_>>) -> Result {
        let mut reader = Reader::default();
        for process in &thread_groups(GFP_KERNEL).map_err(|_| ENOMEM)? {
            let Some(mm) = process.mm.mmget_not_zero() else {
                continue;
            };
            let mut at = 0;
            loop {
                let guard = MmapRead::lock_killable(&mm).map_err(|_| EINTR)?;
                let Some(next) = read_batch(&guard, at, &mut reader) else {
                    break;
                };
                at = next;
                drop(guard);
                cond_resched();
            }
        }
        self.pages.store(reader.pages, Relaxed);
        self.sum.store(reader.sum, Relaxed);
        Ok(())
    }
}

/// The file's text: a number of pages.
struct Number(CString);

impl AsRef<[u8]> for Number {
    fn as_ref(&self) -> &[u8] {
        self.0.to_bytes()
    }
}

/// Reads pages from address `at` on. Returns the address where the next batch begins, or `None` at the end.
fn read_batch(guard: &MmapRead<'_>, mut at: usize, reader: &mut Reader) -> Option<usize> {
    let mut entries = 0;
    while entries < BATCH_ENTRIES {
        let area = guard.find_area(at)?;
        if area.is_read_only() && area.has_readable_pages() {
            let budget = BATCH_ENTRIES - entries;
            let rcu = rcu::read_lock();
            let progress = walk(area, &rcu, at..area.end(), budget, reader);
            entries += progress.entries;
            at = progress.reached;
        } else {
            at = area.end();
        }
    }
    Some(at)
}

#[derive(Default)]
struct Reader {
    pages: u64,
    sum: u64,
    last: Pfn,
}

impl<'w> Visitor<'w> for Reader {
    fn visit(&mut self, page: MappedPage<'w>) -> ControlFlow<()> {
        let pfn = page.pfn();
        // Neighbours in a process often have neighbouring frames, ascending or descending.
        let next = pfn.wrapping_mul(2).wrapping_sub(self.last);
        // SAFETY: The frame is a page of an area with readable pages, so it is in the kernel's direct map, which stays.
        // The page may have been freed and used for something else by now; the words are only added up.
        self.sum ^= unsafe { read_once_sum(pfn, next) };
        self.pages += 1;
        self.last = pfn;
        ControlFlow::Continue(())
    }
}
