// SPDX-License-Identifier: GPL-2.0-only

//! Physical pages that processes map, and their content.
//!
//! The content belongs to the processes, which may write it at any moment: no Rust reference to it ever
//! exists. It is copied by C functions and compared by volatile reads, through raw pointers.
//!
//! C headers: `include/linux/mm.h`, `include/linux/highmem.h`, `include/linux/page-flags.h`.

use abstractions::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings::page;
use logic::units::{PageCopy, Pfn, MAX_PFN, PAGE_SIZE};

// The kernel's Rust crate is built for one page size, which must be the one that `logic` assumes.
const _: () = assert!(kernel::page::PAGE_SIZE == PAGE_SIZE);

/// A physical page that is referenced, so that it is not freed and used for something else. The content may
/// change.
///
/// # Invariants
///
/// Owns one reference to the page, which is in the kernel's direct map and was not known to be poisoned when
/// the reference was taken.
#[must_use = "the page is released when the reference is dropped"]
pub struct PinnedPage(NonNull<page>);

// SAFETY: Any thread may put a page reference.
unsafe impl Send for PinnedPage {}
// SAFETY: Through a shared reference, the page is only read, in ways that allow for others that write it.
unsafe impl Sync for PinnedPage {}

/// The page is not mapped any more, or cannot be referenced at this moment.
pub(crate) struct NoLongerMapped;

/// Returns the `struct page` of a frame.
///
/// # Safety
///
/// The frame has a `struct page`.
#[inline]
unsafe fn page_of(pfn: Pfn) -> Option<NonNull<page>> {
    if pfn >= MAX_PFN {
        return None;
    }
    // SAFETY: By the safety requirements of this function, the frame has a `struct page`.
    NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })
}

impl PinnedPage {
    /// Takes a reference to a mapped page. Returns `None` if its content must not be read.
    ///
    /// # Safety
    ///
    /// A page-table entry that maps the frame is held in place by its page-table lock, and the frame
    /// is a page of an area that has readable pages.
    pub(crate) unsafe fn pin(pfn: Pfn) -> Option<Self> {
        // SAFETY: By the safety requirements of this function, the frame is mapped in an area with readable
        // pages, and such frames have a `struct page`.
        let page = unsafe { page_of(pfn) }?;
        // SAFETY: By the safety requirements of this function, the mapping stays during this call, and it has
        // a reference to the page already.
        unsafe { bindings::abstractions_get_page(page.as_ptr()) };
        Self::check_readable(page)
    }

    /// Takes a reference to a page that was mapped a moment ago. Returns `Ok(None)` if its content must not be
    /// read.
    ///
    /// # Errors
    ///
    /// Returns [`NoLongerMapped`] if the page cannot be referenced or is not mapped any more.
    ///
    /// # Safety
    ///
    /// The frame has a `struct page`, and `is_mapped` returns true only if it is mapped in an area that
    /// has readable pages.
    pub(crate) unsafe fn try_pin(
        pfn: Pfn,
        is_mapped: impl FnOnce() -> bool,
    ) -> Result<Option<Self>, NoLongerMapped> {
        // SAFETY: By the safety requirements of this function, the frame has a `struct page`.
        let Some(page) = (unsafe { page_of(pfn) }) else {
            return Ok(None);
        };
        // SAFETY: A `struct page` may be read at any time, whatever the frame is used for.
        if !unsafe { bindings::abstractions_try_get_page(page.as_ptr()) } {
            return Err(NoLongerMapped);
        }
        if is_mapped() {
            return Ok(Self::check_readable(page));
        }
        // SAFETY: Puts the reference that was just taken.
        unsafe { bindings::abstractions_put_page(page.as_ptr()) };
        Err(NoLongerMapped)
    }

    /// Takes ownership of a reference to a mapped page. Returns `None`, and puts the reference, if the page is
    /// poisoned or lies in a device.
    fn check_readable(page: NonNull<page>) -> Option<Self> {
        // SAFETY: The caller passes a reference to the page, so it is valid.
        let untouchable = unsafe {
            bindings::abstractions_page_is_poisoned(page.as_ptr())
                || bindings::abstractions_is_pci_p2pdma_page(page.as_ptr())
        };
        if untouchable {
            // SAFETY: Puts the caller's reference, which this function owns.
            unsafe { bindings::abstractions_put_page(page.as_ptr()) };
            return None;
        }
        // INVARIANT: The caller's reference is this value's now.
        Some(Self(page))
    }

    /// Returns the number of the page's frame.
    #[inline]
    pub fn pfn(&self) -> Pfn {
        // SAFETY: By the type invariants, the page is valid.
        unsafe { bindings::abstractions_page_to_pfn(self.0.as_ptr()) }
    }

    /// Returns the page's content, which may be read while this reference is kept.
    #[inline]
    pub fn frame(&self) -> Frame<'_> {
        // INVARIANT: `self`, which is borrowed as long, owns a reference to the same page.
        Frame(self.0, PhantomData)
    }

    /// Gives the reference to a structure that knows the frame by its number.
    #[inline]
    pub(crate) fn into_pfn(self) -> Pfn {
        let pfn = self.pfn();
        core::mem::forget(self);
        pfn
    }

    /// Takes back a reference that [`Self::into_pfn`] gave away.
    ///
    /// # Safety
    ///
    /// The reference is the caller's, who gives it to the result: once for each call of [`Self::into_pfn`].
    pub(crate) unsafe fn from_pfn(pfn: Pfn) -> Option<Self> {
        // SAFETY: By the safety requirements of this function, the frame is referenced, so it has a `struct page`.
        let page = NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })?;
        // INVARIANT: By the safety requirements of this function, the reference is this value's now.
        Some(Self(page))
    }
}

/// The content of a page that a [`PinnedPage`] or a [set](crate::pinned_frames::PinnedFrames) keeps referenced
/// for `'a`.
///
/// # Invariants
///
/// The page is referenced for `'a`, is in the kernel's direct map, and was not known to be poisoned when the
/// reference was taken.
#[derive(Clone, Copy)]
pub struct Frame<'a>(NonNull<page>, PhantomData<&'a PinnedPage>);

impl Frame<'_> {
    /// Returns the content of the frame with this number.
    ///
    /// # Safety
    ///
    /// The number came from [`PinnedPage::into_pfn`], and the reference is kept during `'a`.
    pub(crate) unsafe fn new(pfn: Pfn) -> Option<Self> {
        // SAFETY: By the safety requirements of this function, the frame is referenced, so it has a `struct page`.
        let page = NonNull::new(unsafe { bindings::abstractions_pfn_to_page(pfn) })?;
        // INVARIANT: By the safety requirements of this function, the reference is kept for `'a`.
        Some(Self(page, PhantomData))
    }

    /// Returns the frame's number.
    #[inline]
    pub fn pfn(self) -> Pfn {
        // SAFETY: By the type invariants, the page is valid.
        unsafe { bindings::abstractions_page_to_pfn(self.0.as_ptr()) }
    }

    /// Starts to fetch the cache line at `offset` bytes from the page's start into the processor's cache. Does
    /// nothing if the offset is beyond the page.
    #[inline]
    pub fn prefetch(self, offset: usize) {
        if offset < PAGE_SIZE {
            // SAFETY: By the type invariants, the page is readable; the offset is within it.
            unsafe { bindings::abstractions_prefetch_page(self.0.as_ptr(), offset) };
        }
    }

    /// Copies the bytes from `offset` on, as many as `to` has, or as many as the page has from there on. If a
    /// process writes to the page at the same time, the copy may be a mixture of old and new bytes.
    #[inline]
    pub fn copy_part(self, offset: usize, to: &mut [u8]) {
        let len = to.len().min(PAGE_SIZE.saturating_sub(offset));
        if len == 0 {
            return;
        }
        // SAFETY: By the type invariants, the page is readable; offset and length are within it, and `to` has
        // at least that length.
        unsafe {
            bindings::abstractions_memcpy_from_page(
                to.as_mut_ptr().cast(),
                self.0.as_ptr(),
                offset,
                len,
            )
        };
    }

    /// Copies the content. If a process writes to the page at the same time, the copy may be a mixture of old and
    /// new bytes.
    pub fn copy_to(self, copy: &mut PageCopy) {
        // SAFETY: By the type invariants, the page is readable; `copy` has the size of a page.
        unsafe {
            bindings::abstractions_memcpy_from_page(
                copy.as_mut_ptr().cast(),
                self.0.as_ptr(),
                0,
                PAGE_SIZE,
            )
        };
    }

    /// Returns true if both pages hold the same bytes. If a process writes to one of them at the same time, the
    /// result may be that of the old or of the new bytes.
    ///
    /// A `memcmp()` for whole pages: the kernel's compares eight bytes at a time at best, and single bytes on
    /// architectures that do not declare efficient unaligned access.
    pub fn is_same(self, other: Frame<'_>) -> bool {
        let a = Mapped::new(self);
        let b = Mapped::new(other);
        let differ = |at: usize| {
            // SAFETY: By the type invariants of `Mapped`, a page can be read from these addresses, and `at` is
            // within a page. Processes may write there at the same time: a volatile read of an aligned
            // word returns the old word or the new one.
            let (a, b) = unsafe { (a.0.add(at).read_volatile(), b.0.add(at).read_volatile()) };
            a ^ b
        };
        // Unrolled by hand, since the compiler does not unroll loops of volatile reads.
        (0..PAGE_SIZE / size_of::<u64>()).step_by(8).all(|at| {
            let low = differ(at) | differ(at + 1) | differ(at + 2) | differ(at + 3);
            let high = differ(at + 4) | differ(at + 5) | differ(at + 6) | differ(at + 7);
            low | high == 0
        })
    }
}

/// A temporary mapping of a page for the calling thread (`kmap_local_page()`).
///
/// # Invariants
///
/// Points to the bytes of a page, which are mapped and readable while this value lives.
#[must_use = "the mapping ends when the value is dropped"]
struct Mapped(*const u64);

impl Mapped {
    fn new(frame: Frame<'_>) -> Self {
        // SAFETY: By the type invariants of `Frame`, the page is valid.
        // INVARIANT: The page is readable, and is mapped until `drop` unmaps it.
        Self(unsafe { bindings::abstractions_kmap_local_page(frame.0.as_ptr()) }.cast())
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the page is mapped. Local variables are dropped in the opposite order of
        // their declarations, as `kunmap_local()` requires.
        unsafe { bindings::abstractions_kunmap_local(self.0.cast()) };
    }
}

impl Drop for PinnedPage {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the reference that is put here.
        unsafe { bindings::abstractions_put_page(self.0.as_ptr()) };
    }
}
