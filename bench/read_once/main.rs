// SPDX-License-Identifier: GPL-2.0-only

//! The bench's yardstick, which is no part of the product: one pass over what RESET looks at.
//!
//! A write to `/proc/read_once` reads each read-only page of each process once, where it is met: in
//! mid-walk, without reference, copy or hash. That stalls the processes, which a product must not do;
//! but it is as cheap as such a pass can be on one processor. Reading the file gives the number of
//! pages.

use abstractions::mm::{has_readable_pages, is_read_only, MmapRead};
use abstractions::page_walk::{walk, MappedPage, Visitor};
use abstractions::procfs::{read_text, ProcEntry, ProcFile};
use abstractions::task::{cond_resched, thread_groups};
use core::ops::ControlFlow;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::uaccess::UserSliceReader;
use logic::units::Pfn;

module! {
    type: ReadOnce,
    name: "read_once",
    authors: ["The rust-memory-modules authors"],
    description: "Reads each read-only page of each process once, to be compared with",
    license: "GPL",
}

/// Entries that are looked at before the `mmap_lock` is let go, as in a RESET.
const BATCH_ENTRIES: usize = 4096;

unsafe extern "C" {
    /// Reads all of a page, while the first lines of the page that may be next are on their way.
    fn read_once_sum(pfn: usize, next: usize) -> u64;
}

struct ReadOnce {
    _file: ProcEntry<PassFile>,
}

impl kernel::Module for ReadOnce {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let file = PassFile {
            pages: Atomic::new(0),
            sum: Atomic::new(0),
        };
        Ok(Self {
            _file: ProcEntry::create(c"read_once", 0o600, file, GFP_KERNEL)?,
        })
    }
}

/// What the last pass found.
struct PassFile {
    pages: Atomic<u64>,
    /// Kept, so that nothing is read for nothing.
    sum: Atomic<u64>,
}

impl ProcFile for PassFile {
    type Open = ();

    fn open(&self) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    fn read(&self, _open: &(), position: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
        let text = CString::try_from_fmt(fmt!("{}\n", self.pages.load(Relaxed)))?;
        read_text(text.to_bytes(), position, to)
    }

    fn write(&self, _open: &(), _from: UserSliceReader) -> Result {
        let mut reader = Reader::default();
        for process in &thread_groups(GFP_KERNEL)? {
            let Some(mm) = process.mm() else { continue };
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

    fn len(&self, _open: &()) -> usize {
        0
    }
}

/// Reads pages from `at` on; returns where to go on, if anywhere.
fn read_batch(guard: &MmapRead<'_>, mut at: usize, reader: &mut Reader) -> Option<usize> {
    let mut entries = 0;
    while entries < BATCH_ENTRIES {
        let vma = guard.find_vma(at)?;
        if is_read_only(vma) && has_readable_pages(vma) {
            let start = vma.start().max(at);
            let budget = BATCH_ENTRIES - entries;
            let progress = walk(guard, vma, start, vma.end(), budget, reader);
            entries += progress.entries;
            at = progress.reached;
        } else {
            at = vma.end();
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

impl Visitor for Reader {
    fn visit(&mut self, page: MappedPage<'_>) -> ControlFlow<()> {
        let pfn = page.pfn();
        // Neighbours in a process are often neighbours in memory, in one direction or the other.
        let next = pfn.wrapping_mul(2).wrapping_sub(self.last);
        // SAFETY: the frame is a page of an area with readable pages; who has it by now does not matter,
        // since the kernel's own mapping of it stays, and what is read there is only summed up.
        self.sum ^= unsafe { read_once_sum(pfn, next) };
        self.pages += 1;
        self.last = pfn;
        ControlFlow::Continue(())
    }
}
