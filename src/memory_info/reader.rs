// SPDX-License-Identifier: GPL-2.0-only

//! Reading pages of a set as a whole, at the places where they were met.
//!
//! A page is read without a reference to it, so it may not be where it was:
//!
//! 1. If its address still maps the frame in which it was met, that is read.
//! 2. Else, if the frame still belongs to the same owner, the frame is read: another process of the set, whose mapping
//!    of it was counted, may have it still.
//! 3. Else, what its address maps now is read: the page may have been moved to another frame.
//! 4. Else the page is lost.
//!
//! What is read counts only if it has the page's sample: frames and addresses are used for other pages, too.

use crate::batch::owner_tag;
use crate::cancel::ScanCancellation;
use crate::hold_time::look_at_next_area;
use abstractions::memory::GFP_KERNEL_NO_OOM;
use abstractions_mm::area::Area;
use abstractions_mm::area_lock::Looked;
use abstractions_pages::frame::copy_owned_frame;
use abstractions_pages::mapped_page::{MappedPage, PageContent};
use abstractions_pages::page_walk::{walk, Visitor};
use abstractions_task::thread_group::ThreadGroup;
use core::iter::once;
use core::ops::ControlFlow;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::sync::rcu;
use logic::units::{PageCopy, Pfn, PAGE_SIZE};
use logic_memory_info::page_compare::is_same_page;
use logic_memory_info::page_hash::Sampling;
use protocol::scan::content_word::is_like_sample;
use protocol::scan::record_table::{PageRecord, Place};

/// Pages that are read under one hold of a lock: the page in work, and others that are likely to be read next.
pub(crate) const RUN_PAGES: usize = 8;
/// Leaders whose content is kept for further comparisons.
const KEPT_LEADERS: usize = 7;
/// How often a page that is being moved, or whose area is being changed, is looked at: for about a tenth of a second.
const ATTEMPTS: usize = 500;

/// Where the pages of a set are read, and how they are recognized.
pub(crate) struct Source<'a> {
    /// The processes of the set.
    pub(crate) processes: &'a [ThreadGroup],
    pub(crate) sampling: &'a Sampling,
    pub(crate) cancellation: &'a ScanCancellation<'a>,
}

impl Source<'_> {
    /// Returns true if the content has this sample, as far as the tables tell.
    fn has_sample(&self, copy: &PageCopy, sample_hash: u64) -> bool {
        is_like_sample(self.sampling.sample_hash_of(copy), sample_hash)
    }
}

/// The content of a page, as it was read.
struct Content {
    /// Where it was read; `None` if nothing was.
    place: Option<Place>,
    hash: Option<u64>,
    copy: KVBox<PageCopy>,
}

impl Content {
    /// Allocates memory for the content of one page. May sleep.
    fn new() -> Result<Self, AllocError> {
        Ok(Self {
            place: None,
            hash: None,
            copy: KVBox::new([0; PAGE_SIZE], GFP_KERNEL_NO_OOM)?,
        })
    }
}

/// Reads pages of one set. It keeps what it read, so that a page is not read again for each comparison.
pub(crate) struct PageReader {
    /// The contents of a run of pages: those in the places of `run`, and then those of leaders.
    contents: KVVec<Content>,
    /// The page in work, and pages of the same process that will be read next if their samples tell the truth.
    run: KVec<PageRecord>,
}

impl PageReader {
    /// Allocates memory for the contents. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn new() -> Result<Self, AllocError> {
        let mut contents = KVVec::with_capacity(RUN_PAGES + KEPT_LEADERS, GFP_KERNEL_NO_OOM)?;
        for _ in 0..RUN_PAGES + KEPT_LEADERS {
            contents.push(Content::new()?, GFP_KERNEL_NO_OOM)?;
        }
        Ok(Self {
            contents,
            run: KVec::with_capacity(RUN_PAGES, GFP_KERNEL_NO_OOM)?,
        })
    }

    /// Forgets all contents: another set begins, or those that were read are old.
    pub(crate) fn forget(&mut self) {
        self.run.clear();
        for content in self.contents.iter_mut() {
            content.place = None;
        }
    }

    /// Begins with a page, unless it is one of the current run. The other pages of the same process, up to
    /// [`RUN_PAGES`] with this one, are read together with it once it is.
    pub(crate) fn begin(&mut self, page: PageRecord, others: impl Iterator<Item = PageRecord>) {
        if self.run_slot(page.place).is_some() {
            return;
        }
        self.run.clear();
        for content in self.contents.iter_mut().take(RUN_PAGES) {
            content.place = None;
        }
        for page in Iterator::chain(once(page), others).take(RUN_PAGES) {
            // It has the capacity of a run.
            let _ = self.run.push_within_capacity(page);
        }
    }

    fn run_slot(&self, place: Place) -> Option<usize> {
        self.run.iter().position(|page| page.place == place)
    }

    /// Reads a page, unless its content is kept. Returns the number of its content, or `None` if the page is lost.
    /// May sleep.
    fn load(&mut self, source: &Source<'_>, page: &PageRecord, sample_hash: u64) -> Option<usize> {
        let in_run = self.run_slot(page.place);
        let slot =
            in_run.unwrap_or(RUN_PAGES + (page.place.space ^ page.place.page) % KEPT_LEADERS);
        let is_kept = |reader: &Self| {
            let content = reader.contents.get(slot);
            content.is_some_and(|content| content.place == Some(page.place))
        };
        if !is_kept(self) && in_run == Some(0) {
            read_run(source.processes, &self.run, &mut self.contents);
        }
        if !is_kept(self) {
            let content = self.contents.get_mut(slot)?;
            content.place = None;
            content.hash = None;
            if !read(source, page, sample_hash, &mut content.copy) {
                return None;
            }
            content.place = Some(page.place);
        }
        Some(slot)
    }

    /// Tells whether two pages hold the same bytes; `None` if the second is lost. May sleep.
    pub(crate) fn is_same(
        &mut self,
        source: &Source<'_>,
        page: &PageRecord,
        leader: &PageRecord,
        sample_hash: u64,
    ) -> Option<bool> {
        let page = self.load(source, page, sample_hash);
        let leader = self.load(source, leader, sample_hash)?;
        let page = page.and_then(|page| self.contents.get(page));
        let leader = self.contents.get(leader)?;
        Some(page.is_some_and(|page| is_same_page(&page.copy, &leader.copy)))
    }

    /// Returns the hash of a page's content; `None` if the page is lost. May sleep.
    pub(crate) fn hash(
        &mut self,
        source: &Source<'_>,
        page: &PageRecord,
        sample_hash: u64,
    ) -> Option<u64> {
        let slot = self.load(source, page, sample_hash)?;
        let content = self.contents.get_mut(slot)?;
        Some(
            *content
                .hash
                .get_or_insert_with(|| source.sampling.page_hash(&content.copy)),
        )
    }
}

/// Reads what is still where it was met of a run of pages, under one hold of the area's lock. Does not sleep.
fn read_run(processes: &[ThreadGroup], run: &[PageRecord], contents: &mut [Content]) {
    let Some(first) = run.first() else { return };
    let process = processes.get(first.place.space);
    let Some(mm) = process.and_then(ThreadGroup::use_mm) else {
        return;
    };
    // If the area is being changed, the pages are read one by one.
    let _ = look_at_next_area(&mm, first.place.page * PAGE_SIZE, |area| {
        for (page, content) in run.iter().zip(contents) {
            let address = page.place.page * PAGE_SIZE;
            let seen = copy_page(area, address, Some(page.pfn), &mut content.copy);
            content.hash = None;
            content.place = matches!(seen, Seen::Copied).then_some(page.place);
        }
    });
}

/// What a look at an address found.
enum Seen {
    /// The page was copied.
    Copied,
    /// There is another page than the one that was wanted, or none.
    Other,
    /// The page is being moved.
    Moving,
}

/// Reads a page where it can be found. Returns false if it is lost. May sleep.
fn read(source: &Source<'_>, page: &PageRecord, sample_hash: u64, copy: &mut PageCopy) -> bool {
    let process = source.processes.get(page.place.space);
    let address = page.place.page * PAGE_SIZE;
    let read_there = |wanted: Option<Pfn>, attempts: usize, copy: &mut PageCopy| {
        process.is_some_and(|process| read_at(source, process, address, wanted, attempts, copy))
    };
    let is_owner = |owner| owner_tag(owner) == page.owner;
    let has_sample = |copy: &PageCopy| source.has_sample(copy, sample_hash);
    read_there(Some(page.pfn), 1, copy) && has_sample(copy)
        || copy_owned_frame(page.pfn, is_owner, copy) && has_sample(copy)
        || read_there(None, ATTEMPTS, copy) && has_sample(copy)
}

/// Reads the page at an address, if it is in this frame or if any will do. May sleep.
fn read_at(
    source: &Source<'_>,
    process: &ThreadGroup,
    address: usize,
    wanted: Option<Pfn>,
    attempts: usize,
    copy: &mut PageCopy,
) -> bool {
    for attempt in 1..=attempts {
        let Some(mm) = process.use_mm() else {
            return false;
        };
        let looked = look_at_next_area(&mm, address, |area| copy_page(area, address, wanted, copy));
        drop(mm);
        match looked {
            Looked::Seen(Seen::Copied) => return true,
            Looked::Seen(Seen::Other) | Looked::NoArea => return false,
            Looked::Seen(Seen::Moving) | Looked::Busy => {
                if attempt == attempts || source.cancellation.pause().is_err() {
                    return false;
                }
            }
        }
    }
    false
}

/// Copies the page at an address of the area, if it is in this frame or if any will do. Does not sleep.
fn copy_page(area: Area<'_>, address: usize, wanted: Option<Pfn>, copy: &mut PageCopy) -> Seen {
    if address < area.start() || !area.is_read_only() {
        return Seen::Other;
    }
    let guard = rcu::read_lock();
    let mut one = OnePage::default();
    let range = address..address + PAGE_SIZE;
    walk(area, &guard, range, usize::MAX, &mut one);
    match one.content {
        None if one.is_moving => Seen::Moving,
        None => Seen::Other,
        Some(page) if wanted.is_some_and(|wanted| wanted != page.pfn()) => Seen::Other,
        Some(page) if page.is_untouchable() || page.copy(0, copy).is_err() => Seen::Other,
        Some(page) if !page.is_unchanged() => Seen::Moving,
        Some(_) => Seen::Copied,
    }
}

/// The page at one address.
#[derive(Default)]
struct OnePage<'w> {
    content: Option<PageContent<'w>>,
    is_moving: bool,
}

impl<'w> Visitor<'w> for OnePage<'w> {
    fn visit(&mut self, page: MappedPage<'w>) -> ControlFlow<()> {
        self.content = page.content();
        ControlFlow::Break(())
    }

    fn visit_moving(&mut self, _address: usize) -> ControlFlow<()> {
        self.is_moving = true;
        ControlFlow::Break(())
    }
}
