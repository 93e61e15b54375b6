// SPDX-License-Identifier: GPL-2.0-only

//! The content of physical page frames, read without a reference.
//!
//! The content belongs to the processes, which may write it at any moment, and a frame may be freed while it is
//! read. So no Rust reference to it ever exists: bytes are copied out, and the caller asks afterwards whether
//! they were those of the page that it meant (see [`crate::mapped_page`]). The copying survives a frame that
//! leaves the kernel's direct map and memory that goes bad.
//!
//! C headers: `include/linux/mm.h`, `include/linux/page-flags.h`, `include/linux/uaccess.h`
//! (`copy_mc_to_kernel()`).

use abstractions::bindings;
use logic::units::{PageCopy, Pfn, MAX_PFN, PAGE_SIZE};

// The kernel's Rust crate is built for one page size, which must be the one that `logic` assumes.
const _: () = assert!(kernel::page::PAGE_SIZE == PAGE_SIZE);

/// Bytes of the words in which frames are read.
const WORD: usize = size_of::<u64>();

/// The bytes could not be read: the frame is not in the direct map, or its memory is bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

/// To which file or anonymous mapping a frame belongs, and at which offset. It changes when the frame is freed
/// and used for something else. Two owners may have the same value, though hardly the two of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner(pub u64);

/// A frame that has a `struct page`.
///
/// # Invariants
///
/// The frame has a `struct page`. (That of memory that is taken out of the machine goes away long after the
/// last mapping of its frames.)
#[derive(Clone, Copy)]
pub(crate) struct Frame(Pfn);

impl Frame {
    /// Describes a frame by its number.
    ///
    /// # Safety
    ///
    /// The frame has a `struct page`.
    #[inline]
    pub(crate) unsafe fn new(pfn: Pfn) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self(pfn)
    }

    /// Copies bytes from `offset` on, as many as `to` has.
    ///
    /// # Errors
    ///
    /// Returns [`Unreadable`] if the part does not lie within the page or is not in whole words, too.
    #[inline]
    pub(crate) fn copy(self, offset: usize, to: &mut [u8]) -> Result<(), Unreadable> {
        let fits = offset <= PAGE_SIZE && to.len() <= PAGE_SIZE - offset;
        if !fits || to.len() % WORD != 0 {
            return Err(Unreadable);
        }
        // SAFETY: By the type invariants, the frame has a `struct page`, and so an address in the direct map,
        // where a fault ends the copying. The part lies within the page, and `to` has its length.
        let copied = unsafe {
            bindings::abstractions_copy_frame(to.as_mut_ptr().cast(), self.0, offset, to.len())
        };
        copied.then_some(()).ok_or(Unreadable)
    }

    /// Starts to fetch the cache line at `offset` into the processor's cache.
    #[inline]
    pub(crate) fn prefetch(self, offset: usize) {
        // SAFETY: By the type invariants, the frame has a `struct page`. A prefetch does not fault.
        unsafe { bindings::abstractions_prefetch_frame(self.0, offset) };
    }

    /// Starts to fetch what [`Self::owner`] and [`Self::is_untouchable`] read.
    #[inline]
    pub(crate) fn prefetch_owner(self) {
        // SAFETY: By the type invariants, the frame has a `struct page`. A prefetch does not fault.
        unsafe { bindings::abstractions_prefetch_struct_page(self.0) };
    }

    /// Returns true if the memory is known to be bad or lies in a PCI device.
    #[inline]
    pub(crate) fn is_untouchable(self) -> bool {
        // SAFETY: By the type invariants, the frame has a `struct page`, which may be read at any time.
        unsafe { bindings::abstractions_frame_is_untouchable(self.0) }
    }

    /// Returns false if the frame is certainly mapped by one process alone.
    #[inline]
    pub(crate) fn may_be_shared(self) -> bool {
        // SAFETY: By the type invariants, the frame has a `struct page`, which may be read at any time.
        unsafe { bindings::abstractions_frame_may_be_shared(self.0) }
    }

    /// Returns the owner at this moment.
    #[inline]
    pub(crate) fn owner(self) -> Owner {
        // SAFETY: By the type invariants, the frame has a `struct page`, which may be read at any time.
        Owner(unsafe { bindings::abstractions_frame_owner(self.0) } as u64)
    }
}

/// Copies the content of a frame if `is_owner` accepts its owner, before and after the copying. Returns whether
/// it did. Does not sleep.
pub fn copy_owned_frame(pfn: Pfn, is_owner: impl Fn(Owner) -> bool, copy: &mut PageCopy) -> bool {
    // SAFETY: An FFI call with no additional requirements: any number may be asked for.
    if pfn >= MAX_PFN || !unsafe { bindings::abstractions_frame_is_online(pfn) } {
        return false;
    }
    // SAFETY: The frame is online, so it has a `struct page`.
    let frame = unsafe { Frame::new(pfn) };
    is_owner(frame.owner())
        && !frame.is_untouchable()
        && frame.copy(0, copy).is_ok()
        && is_owner(frame.owner())
}
