// SPDX-License-Identifier: GPL-2.0-only

//! Units that all modules measure memory in.
//!
//! C headers: `include/vdso/page.h`, `include/linux/pfn.h`.

/// Bits of an address that are an offset within a page.
pub const PAGE_SHIFT: u32 = 12;

/// Bytes of a page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// A private copy of the bytes of one page, which does not change while it is read.
pub type PageCopy = [u8; PAGE_SIZE];

/// The number of a physical page frame, below [`MAX_PFN`].
pub type Pfn = usize;

/// Bits of a physical address on x86-64.
const PHYSICAL_ADDRESS_BITS: u32 = 52;

/// The number of frames that x86-64 can address: one more than the largest frame number.
pub const MAX_PFN: Pfn = 1 << (PHYSICAL_ADDRESS_BITS - PAGE_SHIFT);
