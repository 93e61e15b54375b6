// SPDX-License-Identifier: GPL-2.0-only

//! Fallible allocation, as in the kernel's `rust/kernel/alloc.rs`.

pub mod kbox;
pub mod kvec;

pub use kbox::{Box, KBox, KVBox, VBox};
pub use kvec::{IntoIter, KVVec, KVec, VVec, Vec};

/// Memory is exhausted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct AllocError;

/// How an allocation may obtain memory.
#[derive(Clone, Copy, PartialEq)]
pub struct Flags(u32);

/// `__GFP_DIRECT_RECLAIM` (`include/linux/gfp_types.h`).
const DIRECT_RECLAIM: u32 = 0x400;

impl Flags {
    /// Whether `flags` is contained in `self`.
    pub fn contains(self, flags: Flags) -> bool {
        (self & flags) == flags
    }

    pub(crate) fn may_sleep(self) -> bool {
        self.0 & DIRECT_RECLAIM != 0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

impl std::ops::BitAnd for Flags {
    type Output = Self;

    fn bitand(self, rhs: Self) -> Self {
        Self(self.0 & rhs.0)
    }
}

impl std::ops::Not for Flags {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}

/// Allocation flags, with the kernel's values.
pub mod flags {
    use super::Flags;

    /// The memory is zeroed.
    pub const __GFP_ZERO: Flags = Flags(0x100);
    /// A failure is not reported in the kernel log.
    pub const __GFP_NOWARN: Flags = Flags(0x2000);
    /// The allocation does not sleep and may use reserves.
    pub const GFP_ATOMIC: Flags = Flags(0x820);
    /// The allocation may sleep.
    pub const GFP_KERNEL: Flags = Flags(0xcc0);
    /// The allocation may sleep and is charged to the memory cgroup.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags(0x40_0cc0);
    /// The allocation does not sleep.
    pub const GFP_NOWAIT: Flags = Flags(0x2800);
}

/// An allocator, which provides the memory of boxes and vectors.
///
/// # Safety
///
/// None here: all of them use the stand-in's heap. `unsafe` as in the kernel.
pub unsafe trait Allocator {
    /// Largest block in bytes.
    const MAX_BYTES: usize;
}

/// The allocators by name.
pub mod allocator {
    use super::Allocator;

    /// Physically contiguous memory.
    pub struct Kmalloc;
    /// Virtually contiguous memory.
    pub struct Vmalloc;
    /// The first if it succeeds, else the second.
    pub struct KVmalloc;

    // SAFETY: nothing is required.
    unsafe impl Allocator for Kmalloc {
        // `KMALLOC_MAX_SIZE` on x86-64.
        const MAX_BYTES: usize = 4 << 20;
    }

    // SAFETY: nothing is required.
    unsafe impl Allocator for Vmalloc {
        const MAX_BYTES: usize = isize::MAX as usize;
    }

    // SAFETY: nothing is required.
    unsafe impl Allocator for KVmalloc {
        // `kvmalloc()` refuses more.
        const MAX_BYTES: usize = i32::MAX as usize;
    }
}
