// SPDX-License-Identifier: GPL-2.0-only

//! The memory behind the collections: fallible, and watched by [`blocks`].

use crate::alloc::{AllocError, Flags};
use crate::runtime::blocks;
use crate::testing;
use std::alloc::{alloc, dealloc, Layout};
use std::ptr::NonNull;

/// To what all blocks are aligned: a cache line. The kernel's allocators align to what is asked for.
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

/// Frees what [`allocate`] gave.
///
/// # Safety
///
/// `block` came from [`allocate`] with the same size, and is not used afterwards.
pub(crate) unsafe fn free(block: NonNull<u8>, bytes: usize) {
    if blocks::freed(block.as_ptr() as usize) {
        // SAFETY: by this function's own requirement; the layout was valid when it was allocated.
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
    // SAFETY: the block was allocated with this layout, freed by its owner and kept by `blocks`
    // alone, which lets go of it here.
    unsafe {
        dealloc(
            address as *mut u8,
            Layout::from_size_align_unchecked(bytes, ALIGN),
        )
    };
}
