// SPDX-License-Identifier: GPL-2.0-only

//! Address spaces and their areas.
//!
//! Continues the kernel crate's `mm.rs`, whose guard cannot be taken killably and does not iterate.
//!
//! C headers: `include/linux/mm.h`, `include/linux/mmap_lock.h`.

use crate::bindings;
use kernel::bindings::{find_vma, mmap_read_unlock};
use kernel::mm::virt::{flags, VmaRef};
use kernel::mm::MmWithUser;
use kernel::types::NotThreadSafe;
use logic::interrupted::Interrupted;

/// The `mmap_lock` of an address space, held for reading.
///
/// # Invariants
///
/// This thread holds the lock.
pub struct MmapRead<'a> {
    mm: &'a MmWithUser,
    _not_send: NotThreadSafe,
}

impl<'a> MmapRead<'a> {
    /// Takes the lock. May sleep, until a fatal signal.
    ///
    /// # Errors
    ///
    /// Returns [`Interrupted`] after a fatal signal.
    pub fn lock_killable(mm: &'a MmWithUser) -> Result<Self, Interrupted> {
        // SAFETY: `mm` is alive.
        if unsafe { bindings::abstractions_mmap_read_lock_killable(mm.as_raw()) } != 0 {
            return Err(Interrupted);
        }
        // INVARIANT: just taken.
        Ok(Self {
            mm,
            _not_send: NotThreadSafe,
        })
    }

    /// The address space.
    pub fn mm(&self) -> &'a MmWithUser {
        self.mm
    }

    /// The first area that ends above `address`.
    pub fn find_vma(&self, address: usize) -> Option<&VmaRef> {
        // SAFETY: the lock is held, by the type's invariants; any address will do.
        let vma = unsafe { find_vma(self.mm.as_raw(), address) };
        // SAFETY: the area is valid and stays so while the lock is held, which the borrow ensures.
        (!vma.is_null()).then(|| unsafe { VmaRef::from_raw(vma) })
    }
}

impl Drop for MmapRead<'_> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariants this thread holds the lock.
        unsafe { mmap_read_unlock(self.mm.as_raw()) };
    }
}

/// About how many pages the address space has in memory, huge ones of hugetlb left out. Costs no lock.
pub fn resident_pages(mm: &MmWithUser) -> usize {
    // SAFETY: `mm` is alive.
    unsafe { bindings::abstractions_get_mm_rss(mm.as_raw()) }
}

/// True for `r--` and `r-x` areas.
pub fn is_read_only(vma: &VmaRef) -> bool {
    vma.flags() & (flags::READ | flags::WRITE) == flags::READ
}

/// True if no file or device stands behind the area (`vma_is_anonymous()`).
pub fn is_anonymous(vma: &VmaRef) -> bool {
    // SAFETY: the area is valid under the lock that `VmaRef` stands for.
    unsafe { (*vma.as_ptr()).vm_ops.is_null() }
}

/// Returns whether the area maps ordinary memory that the kernel may read.
///
/// Excludes what a driver or the kernel itself puts into a process: device memory (VM_IO), bare frames
/// (VM_PFNMAP), and pages inserted one by one (VM_MIXEDMAP: ring buffers, `[vvar]`). `[vvar]` is VM_IO up
/// to 7.2 and VM_MIXEDMAP alone from 7.3 (`lib/vdso/datastore.c`). Excludes also memory that is not in
/// the kernel's direct map, where a read would be a fault (`memfd_secret`).
pub fn has_readable_pages(vma: &VmaRef) -> bool {
    vma.flags() & (flags::IO | flags::PFNMAP | flags::MIXEDMAP) == 0 && !is_secretmem(vma)
}

/// `vma_is_secretmem()` is not exported; the filesystem of `memfd_secret` files is as telling.
fn is_secretmem(vma: &VmaRef) -> bool {
    // SAFETY: the area is valid under the lock that `VmaRef` stands for, and holds a reference to its
    // file, which holds its inode and that its superblock.
    unsafe {
        let file = (*vma.as_ptr()).vm_file;
        !file.is_null()
            && (*(*(*file).f_inode).i_sb).s_magic == bindings::ABSTRACTIONS_SECRETMEM_MAGIC
    }
}
