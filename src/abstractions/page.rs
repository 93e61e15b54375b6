// SPDX-License-Identifier: GPL-2.0-only

//! Physical pages that processes map.
//!
//! Their content belongs to others, who may write it at any moment: no Rust reference to it ever
//! exists. It is copied, and compared, by C functions through raw pointers.
//!
//! C headers: `include/linux/mm.h`, `include/linux/highmem.h`, `include/linux/page-flags.h`.

use crate::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings::page;
use logic::units::{PageCopy, Pfn, MAX_PFN, PAGE_SIZE};
use logic_memory_info::page_hash::{Sample, Sampling, SAMPLE_PART};

// The kernel's Rust crate is built for one page size; ours is a constant of the statement.
const _: () = assert!(kernel::page::PAGE_SIZE == PAGE_SIZE);

/// A physical page, referenced so that it is not freed and used for something else. It does not keep
/// the content from changing.
///
/// # Invariants
///
/// Owns one reference to the page, which is in the kernel's own mapping and is not poisoned as far
/// as the kernel knew when the reference was taken.
pub struct PinnedPage(NonNull<page>);

// SAFETY: a page reference may be given up by any thread.
unsafe impl Send for PinnedPage {}
// SAFETY: shared, it only reads memory that others may write anyway.
unsafe impl Sync for PinnedPage {}

/// A page is mapped no more, or cannot be referenced at this moment.
pub(crate) struct Changed;

/// # Safety
///
/// The frame has a `struct page`.
unsafe fn page_of(pfn: Pfn) -> Option<NonNull<page>> {
    if pfn >= MAX_PFN {
        return None;
    }
    // SAFETY: by this function's own requirement.
    NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })
}

impl PinnedPage {
    /// Takes a reference to a mapped page, unless what it holds must not be touched.
    ///
    /// # Safety
    ///
    /// A page-table entry that maps the frame is held in place by its page-table lock, and the frame
    /// is a page of an area for which [`crate::mm::has_readable_pages`].
    pub(crate) unsafe fn pin(pfn: Pfn) -> Option<Self> {
        // SAFETY: mapped frames of such areas have a `struct page`.
        let page = unsafe { page_of(pfn) }?;
        // SAFETY: the mapping, which the lock holds in place, has a reference already.
        unsafe { bindings::abstractions_get_page(page.as_ptr()) };
        Self::if_touchable(page)
    }

    /// Takes a reference to a page that was mapped a moment ago, if it still is. The inner `None` if what
    /// it holds must not be touched.
    ///
    /// # Errors
    ///
    /// [`Changed`].
    ///
    /// # Safety
    ///
    /// The frame has a `struct page`, and `is_mapped` tells whether it is mapped in an area for which
    /// [`crate::mm::has_readable_pages`].
    pub(crate) unsafe fn try_pin(
        pfn: Pfn,
        is_mapped: impl FnOnce() -> bool,
    ) -> Result<Option<Self>, Changed> {
        // SAFETY: by this function's own requirement.
        let Some(page) = (unsafe { page_of(pfn) }) else {
            return Ok(None);
        };
        // SAFETY: a `struct page` can be asked at any time.
        if !unsafe { bindings::abstractions_try_get_page(page.as_ptr()) } {
            return Err(Changed);
        }
        if is_mapped() {
            return Ok(Self::if_touchable(page));
        }
        // SAFETY: gives up the reference just taken.
        unsafe { bindings::abstractions_put_page(page.as_ptr()) };
        Err(Changed)
    }

    /// Takes over a reference to a mapped page.
    fn if_touchable(page: NonNull<page>) -> Option<Self> {
        // SAFETY: the page is referenced.
        let untouchable = unsafe {
            bindings::abstractions_page_is_poisoned(page.as_ptr())
                || bindings::abstractions_is_pci_p2pdma_page(page.as_ptr())
        };
        if untouchable {
            // SAFETY: gives up the reference.
            unsafe { bindings::abstractions_put_page(page.as_ptr()) };
            return None;
        }
        // INVARIANT: the caller's reference.
        Some(Self(page))
    }

    /// The frame's number.
    pub fn pfn(&self) -> Pfn {
        // SAFETY: by the type's invariants a valid page.
        unsafe { bindings::abstractions_page_to_pfn(self.0.as_ptr()) }
    }

    /// The page, for as long as this reference is kept.
    pub fn frame(&self) -> Frame<'_> {
        // INVARIANT: the same page.
        Frame(self.0, PhantomData)
    }

    /// Gives the reference up to a structure that knows the frame by its number.
    pub(crate) fn into_pfn(self) -> Pfn {
        let pfn = self.pfn();
        core::mem::forget(self);
        pfn
    }

    /// Takes back what [`Self::into_pfn`] gave up.
    ///
    /// # Safety
    ///
    /// The reference moves here: once for each time it was given up.
    pub(crate) unsafe fn from_pfn(pfn: Pfn) -> Option<Self> {
        // SAFETY: by this function's own requirement the frame is referenced, so it has a page.
        let page = NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })?;
        // INVARIANT: by this function's own requirement.
        Some(Self(page))
    }
}

/// A page that something else keeps referenced for as long as `'a`.
///
/// # Invariants
///
/// As [`PinnedPage`]'s, but for who owns the reference.
#[derive(Clone, Copy)]
pub struct Frame<'a>(NonNull<page>, PhantomData<&'a PinnedPage>);

impl Frame<'_> {
    /// The frame with this number.
    ///
    /// # Safety
    ///
    /// The number came from [`PinnedPage::into_pfn`], and the reference is kept during `'a`.
    pub(crate) unsafe fn new(pfn: Pfn) -> Option<Self> {
        // SAFETY: by this function's own requirement the frame is referenced, so it has a page.
        let page = NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })?;
        // INVARIANT: by this function's own requirement.
        Some(Self(page, PhantomData))
    }

    /// The frame's number.
    pub fn pfn(self) -> Pfn {
        // SAFETY: by the type's invariants a valid page.
        unsafe { bindings::abstractions_page_to_pfn(self.0.as_ptr()) }
    }

    /// Has the processor fetch the sampled bytes, for [`Self::sample`] to find them in its cache.
    pub fn prefetch_sample(self, sampling: &Sampling) {
        for offset in sampling.offsets() {
            self.prefetch(offset);
        }
    }

    /// Has the processor fetch the first lines, behind which it goes on by itself once they are read.
    pub fn prefetch_start(self) {
        for line in 0..LINES_AHEAD {
            self.prefetch(line * SAMPLE_PART);
        }
    }

    fn prefetch(self, offset: usize) {
        // SAFETY: by the type's invariants the page is readable; the offset is within it.
        unsafe { bindings::abstractions_prefetch_page(self.0.as_ptr(), offset) };
    }

    /// Copies the sampled bytes as they are at this moment.
    pub fn sample(self, sampling: &Sampling) -> Sample {
        let mut sample = [0; size_of::<Sample>()];
        for (offset, part) in sampling
            .offsets()
            .into_iter()
            .zip(sample.chunks_exact_mut(SAMPLE_PART))
        {
            // SAFETY: by the type's invariants the page is readable; offset and length are within
            // it, and `part` has that length.
            unsafe {
                bindings::abstractions_memcpy_from_page(
                    part.as_mut_ptr().cast(),
                    self.0.as_ptr(),
                    offset,
                    part.len(),
                )
            };
        }
        sample
    }

    /// Copies the content as it is at this moment; if somebody writes meanwhile, a mixture.
    pub fn copy_to(self, copy: &mut PageCopy) {
        // SAFETY: by the type's invariants the page is readable; `copy` has a page's size.
        unsafe {
            bindings::abstractions_memcpy_from_page(
                copy.as_mut_ptr().cast(),
                self.0.as_ptr(),
                0,
                PAGE_SIZE,
            )
        };
    }

    /// Compares the contents as they are at this moment.
    ///
    /// A `memcmp()` for whole pages: the kernel's goes by eight bytes at best, and by one on
    /// architectures that do not say that they read unaligned words.
    pub fn is_same(self, other: Frame<'_>) -> bool {
        let a = Mapped::new(self);
        let b = Mapped::new(other);
        let differ = |at: usize| {
            // SAFETY: `at` is within a page. Others may write there at this moment: a volatile read of an
            // aligned word gives the old one or the new.
            let (a, b) = unsafe { (a.0.add(at).read_volatile(), b.0.add(at).read_volatile()) };
            a ^ b
        };
        // Written out, since nothing unrolls a loop of volatile reads.
        (0..PAGE_SIZE / size_of::<u64>()).step_by(8).all(|at| {
            let low = differ(at) | differ(at + 1) | differ(at + 2) | differ(at + 3);
            let high = differ(at + 4) | differ(at + 5) | differ(at + 6) | differ(at + 7);
            low | high == 0
        })
    }
}

/// What a processor fetches by itself ends with the page.
const LINES_AHEAD: usize = 8;

/// A page that is mapped for the kernel, by this thread and for a moment.
///
/// # Invariants
///
/// Points to a page's bytes, which are readable.
struct Mapped(*const u64);

impl Mapped {
    fn new(frame: Frame<'_>) -> Self {
        // SAFETY: by the type's invariants a valid page.
        // INVARIANT: it is readable, and mapped until it is unmapped below.
        Self(unsafe { bindings::abstractions_kmap_local_page(frame.0.as_ptr()) }.cast())
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; mappings end in the opposite order of their beginnings.
        unsafe { bindings::abstractions_kunmap_local(self.0.cast()) };
    }
}

impl Drop for PinnedPage {
    fn drop(&mut self) {
        // SAFETY: gives up the reference that this owns.
        unsafe { bindings::abstractions_put_page(self.0.as_ptr()) };
    }
}
