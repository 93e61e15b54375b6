// SPDX-License-Identifier: GPL-2.0-only

//! One virtual memory area: its addresses, what may be done with it, and what it maps.
//!
//! C header: `include/linux/mm.h`; model: `get_vma_name()` of
//! `fs/proc/task_mmu.c`.

use crate::mmap_lock::MmapRead;
use abstractions::bindings;
use core::ptr;
use kernel::bindings::{file, find_vma, path};
use kernel::ffi::c_char;
use kernel::mm::virt::{flags, vm_flags_t, VmaRef};
use kernel::mm::MmWithUser;
use kernel::prelude::*;
use logic::units::PAGE_SIZE;

/// An area of an address space. It does not change while it is locked, which is for `'g` at least.
///
/// # Invariants
///
/// The area is one of `mm`, and for `'g` the calling thread holds its lock for reading, or the `mmap_lock`.
#[derive(Clone, Copy)]
pub struct Area<'g> {
    mm: &'g MmWithUser,
    vma: &'g VmaRef,
}

/// A file that an area maps, for as long as the `mmap_lock` is held.
///
/// # Invariants
///
/// The area, which is valid for `'g`, holds a reference to the file.
#[derive(Clone, Copy)]
pub struct MappedFile<'g> {
    file: &'g file,
}

/// What an area maps, as `/proc/<pid>/maps` names it.
#[derive(Clone, Copy)]
pub enum AreaName<'g> {
    /// Anonymous memory without a name.
    None,
    /// A file, which is named by its path.
    File(MappedFile<'g>),
    /// A name that the kernel gives to an area of its own, such as `[vdso]` or `[heap]`.
    Kernel(&'g [u8]),
    /// Anonymous memory that the process named by `prctl(2)`.
    Anonymous(&'g [u8]),
    /// Shared anonymous memory that the process named by `prctl(2)`.
    AnonymousShared(&'g [u8]),
}

impl MmapRead<'_> {
    /// Returns the first area that ends above `address`. Does not sleep.
    pub fn find_area(&self, address: usize) -> Option<Area<'_>> {
        // SAFETY: By the type invariants, the lock is held; any address may be asked for.
        let vma = unsafe { find_vma(self.as_raw(), address) };
        if vma.is_null() {
            return None;
        }
        // SAFETY: The area is valid and stays so while the lock is held, and the borrow of `self` keeps it
        // held.
        // INVARIANT: The area is one of this address space, whose lock is held as long as `self` is borrowed.
        let vma = unsafe { VmaRef::from_raw(vma) };
        Some(Area { mm: self.mm(), vma })
    }
}

impl<'g> Area<'g> {
    /// Describes an area that is locked by itself.
    ///
    /// # Safety
    ///
    /// The area is one of `mm`, and the calling thread holds its lock for reading during `'g`.
    pub(crate) unsafe fn of_locked(mm: &'g MmWithUser, vma: &'g VmaRef) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self { mm, vma }
    }

    /// Returns the address space.
    #[inline]
    pub fn mm(&self) -> &'g MmWithUser {
        self.mm
    }

    /// Returns the first address of the area.
    #[inline]
    pub fn start(&self) -> usize {
        self.vma.start()
    }

    /// Returns the first address after the area.
    #[inline]
    pub fn end(&self) -> usize {
        self.vma.end()
    }

    #[inline]
    fn has(&self, flag: vm_flags_t) -> bool {
        self.vma.flags() & flag != 0
    }

    /// Returns true if the process may read the area (`VM_READ`).
    #[inline]
    pub fn is_readable(&self) -> bool {
        self.has(flags::READ)
    }

    /// Returns true if the process may write to the area (`VM_WRITE`).
    #[inline]
    pub fn is_writable(&self) -> bool {
        self.has(flags::WRITE)
    }

    /// Returns true if the process may execute instructions in the area (`VM_EXEC`).
    #[inline]
    pub fn is_executable(&self) -> bool {
        self.has(flags::EXEC)
    }

    /// Returns true if `/proc/<pid>/maps` shows the area as shared (`VM_MAYSHARE`).
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.has(bindings::ABSTRACTIONS_VM_MAYSHARE)
    }

    /// Returns true for `r--` and `r-x` areas.
    #[inline]
    pub fn is_read_only(&self) -> bool {
        self.is_readable() && !self.is_writable()
    }

    /// Returns true if no file or device stands behind the area (`vma_is_anonymous()`).
    #[inline]
    pub fn is_anonymous(&self) -> bool {
        // SAFETY: The area is locked for `'g`, by the type invariants.
        unsafe { (*self.vma.as_ptr()).vm_ops.is_null() }
    }

    /// Returns true if the area maps huge pages of hugetlbfs (`VM_HUGETLB`).
    #[inline]
    pub fn is_hugetlb(&self) -> bool {
        self.has(flags::HUGETLB)
    }

    /// Returns true if the area is one hole to a page walk (`VM_PFNMAP`): it maps bare frames.
    #[inline]
    pub fn is_pfn_map(&self) -> bool {
        self.has(flags::PFNMAP)
    }

    /// Returns true if the area maps ordinary memory that the kernel may read.
    ///
    /// Excludes what a driver or the kernel itself puts into a process: device memory (VM_IO), bare frames
    /// (VM_PFNMAP), and pages inserted one by one (VM_MIXEDMAP: ring buffers, `[vvar]`). `[vvar]` is VM_IO up
    /// to 7.2 and VM_MIXEDMAP alone from 7.3 (`lib/vdso/datastore.c`). Excludes also memory that is not in
    /// the kernel's direct map, where a read would be a fault (`memfd_secret`).
    pub fn has_readable_pages(&self) -> bool {
        !self.has(flags::IO | flags::PFNMAP | flags::MIXEDMAP) && !self.is_secretmem()
    }

    /// Returns true for an area of a `memfd_secret` file. `vma_is_secretmem()` is not exported; the magic number
    /// of the file's filesystem tells the same.
    fn is_secretmem(&self) -> bool {
        // SAFETY: The area is locked for `'g`, by the type invariants. It holds a reference to
        // its file, the file to its inode, and the inode to its superblock.
        unsafe {
            let file = (*self.vma.as_ptr()).vm_file;
            !file.is_null()
                && (*(*(*file).f_inode).i_sb).s_magic == bindings::ABSTRACTIONS_SECRETMEM_MAGIC
        }
    }

    /// Returns the file that the area maps.
    pub fn file(&self) -> Option<MappedFile<'g>> {
        // SAFETY: The area is locked for `'g`, by the type invariants, and holds a reference
        // to its file as long.
        let file = unsafe { (*self.vma.as_ptr()).vm_file.as_ref() }?;
        // INVARIANT: The area holds a reference to the file.
        Some(MappedFile { file })
    }

    /// Returns where in its file the area begins, in bytes, or 0 if it maps no file.
    pub fn file_offset(&self) -> u64 {
        // SAFETY: The area is locked for `'g`, by the type invariants.
        let (pgoff, file) = unsafe {
            let vma = self.vma.as_ptr();
            ((*vma).vm_pgoff, (*vma).vm_file)
        };
        if file.is_null() {
            return 0;
        }
        (pgoff as u64).wrapping_mul(PAGE_SIZE as u64)
    }

    /// Returns the name that `/proc/<pid>/maps` shows for the area.
    pub fn name(&self) -> AreaName<'g> {
        let raw = self.vma.as_ptr();
        // SAFETY: The area is locked for `'g`, by the type invariants. The lock also keeps
        // this name.
        let anon_name = unsafe { bytes_at(bindings::abstractions_anon_vma_name(raw)) };
        if let Some(file) = self.file() {
            return anon_name.map_or(AreaName::File(file), AreaName::AnonymousShared);
        }
        // SAFETY: The area is valid while its `mmap_lock` is held. Its operations are static, their `name`
        // takes any area with these operations, and returns a string that lives as long as the area.
        let special = unsafe {
            let operations = (*raw).vm_ops.as_ref();
            let name = operations.and_then(|operations| operations.name);
            name.and_then(|name| bytes_at(name(raw)))
        };
        if let Some(name) = special {
            return AreaName::Kernel(name);
        }
        // SAFETY: The area is valid while its `mmap_lock` is held, and its address space is alive.
        if unsafe { bindings::abstractions_vma_is_initial_heap(raw) } {
            return AreaName::Kernel(b"[heap]");
        }
        // SAFETY: The area is valid while its `mmap_lock` is held, and its address space is alive.
        if unsafe { bindings::abstractions_vma_is_initial_stack(raw) } {
            return AreaName::Kernel(b"[stack]");
        }
        anon_name.map_or(AreaName::None, AreaName::Anonymous)
    }
}

impl MappedFile<'_> {
    /// Returns true if both are the same open file.
    pub fn is(&self, other: &MappedFile<'_>) -> bool {
        ptr::eq(self.file, other.file)
    }

    /// Returns the file's path as users know it. The file holds it.
    pub(crate) fn user_path(&self) -> *const path {
        // SAFETY: By the type invariants, the file is referenced.
        unsafe { bindings::abstractions_file_user_path(self.file) }
    }
}

/// Returns the bytes of a C string, or `None` for a null pointer.
///
/// # Safety
///
/// `name` is null or points to a C string that is valid for `'a`.
unsafe fn bytes_at<'a>(name: *const c_char) -> Option<&'a [u8]> {
    if name.is_null() {
        return None;
    }
    // SAFETY: By the safety requirements of this function, `name` points to a C string.
    Some(unsafe { CStr::from_char_ptr(name) }.to_bytes())
}
