// SPDX-License-Identifier: GPL-2.0-only

//! The heap of the collections: allocations may fail, and [`blocks`] checks all accesses.

use crate::alloc::{AllocError, Flags};
use crate::runtime::blocks;
use crate::testing;
use std::alloc::{alloc, dealloc, Layout};
use std::ptr::NonNull;

/// The alignment of all blocks: a cache line. The kernel's allocators align as requested.
const ALIGN: usize = 64;

fn layout(bytes: usize) -> Result<Layout, AllocError> {
    Layout::from_size_align(bytes, ALIGN).map_err(|_| AllocError)
}

/// Allocates at least one byte.
pub(crate) fn allocate(
    bytes: usize,
    align: usize,
    flags: Flags,
) -> Result<NonNull<u8>, AllocError> {
    assert!(
        align <= ALIGN,
        "the stand-in aligns to {ALIGN} bytes, {align} were asked for"
    );
    if flags.may_sleep() {
        crate::grace_period::assert_may_sleep("an allocation that may sleep");
    }
    testing::take_allocation()?;
    // SAFETY: the size is not zero.
    let block = NonNull::new(unsafe { alloc(layout(bytes.max(1))?) }).ok_or(AllocError)?;
    blocks::created(block.as_ptr() as usize, bytes.max(1));
    Ok(block)
}

/// Frees a block of [`allocate`].
///
/// # Safety
///
/// `block` was returned by [`allocate`] for the same size and is not used afterwards.
pub(crate) unsafe fn free(block: NonNull<u8>, bytes: usize) {
    if blocks::freed(block.as_ptr() as usize) {
        // SAFETY: By the safety requirements of this function, the block was allocated with this layout and is
        // not used any more.
        unsafe {
            dealloc(
                block.as_ptr(),
                Layout::from_size_align_unchecked(bytes.max(1), ALIGN),
            )
        };
    }
}

/// Ends the quarantine of a freed block.
#[cfg(feature = "loom")]
pub(crate) fn give_back(address: usize, bytes: usize) {
    // SAFETY: The block was allocated with this layout and freed by its owner; only `blocks` still refers to
    // it, and does not any more after this.
    unsafe {
        dealloc(
            address as *mut u8,
            Layout::from_size_align_unchecked(bytes, ALIGN),
        )
    };
}
