// SPDX-License-Identifier: GPL-2.0-only

//! Areas as `/proc/<pid>/maps` describes them: permissions, offset, and what they map.
//!
//! C headers: `include/linux/mm.h`, `include/linux/dcache.h`; model: `get_vma_name()` of
//! `fs/proc/task_mmu.c`.

use crate::bindings;
use crate::mm::MmapRead;
use core::ptr;
use kernel::alloc::AllocError;
use kernel::bindings::{d_path, file};
use kernel::error::from_err_ptr;
use kernel::ffi::{c_char, c_int};
use kernel::mm::virt::{flags, VmaRef};
use kernel::prelude::*;
use logic::text::BufferFull;
use logic::units::PAGE_SIZE;
use logic_vm_layout::layout::{LayoutArea, NameRange, Permissions, Span};

/// Memory for the names of areas.
pub struct NamePool {
    bytes: KVVec<u8>,
    used: usize,
}

impl NamePool {
    /// Without any room.
    pub const fn new() -> Self {
        Self {
            bytes: KVVec::new(),
            used: 0,
        }
    }

    /// Doubles the room, or makes a first one. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn grow(&mut self) -> Result<(), AllocError> {
        let len = (2 * self.bytes.len()).max(PAGE_SIZE);
        self.bytes.resize(len, 0, GFP_KERNEL_ACCOUNT)
    }

    /// Forgets all names.
    fn clear(&mut self) {
        self.used = 0;
    }

    /// All names, one behind the other.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&self.bytes)
    }

    fn free(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or(&mut [])
    }

    /// Takes over the first `len` free bytes as a name.
    fn keep(&mut self, len: usize) -> NameRange {
        let start = self.used;
        self.used += len;
        NameRange { start, len }
    }

    fn add(&mut self, pieces: &[&[u8]]) -> Result<NameRange, BufferFull> {
        let mut len = 0;
        for piece in pieces {
            let to = self.free().get_mut(len..).ok_or(BufferFull)?;
            to.get_mut(..piece.len())
                .ok_or(BufferFull)?
                .copy_from_slice(piece);
            len += piece.len();
        }
        Ok(self.keep(len))
    }
}

impl Default for NamePool {
    fn default() -> Self {
        Self::new()
    }
}

/// Describes areas of one address space while its lock is held.
pub struct Describer<'a> {
    guard: &'a MmapRead<'a>,
    names: &'a mut NamePool,
    /// The last file met and its name: neighbouring areas are often of the same.
    last_file: (*const file, NameRange),
}

impl<'a> Describer<'a> {
    /// Puts names into `names`, whose old ones are forgotten.
    pub fn new(guard: &'a MmapRead<'a>, names: &'a mut NamePool) -> Self {
        names.clear();
        Self {
            guard,
            names,
            last_file: (ptr::null(), NameRange::default()),
        }
    }

    /// Hands the areas on to `take`, ascending. Does not sleep.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] for a name, or from `take`.
    pub fn describe_all(
        mut self,
        mut take: impl FnMut(LayoutArea) -> Result<(), BufferFull>,
    ) -> Result<(), BufferFull> {
        let mut at = 0;
        let guard = self.guard;
        while let Some(vma) = guard.find_vma(at) {
            take(self.describe(vma)?)?;
            at = vma.end();
        }
        Ok(())
    }

    fn describe(&mut self, vma: &VmaRef) -> Result<LayoutArea, BufferFull> {
        let has = |flag| vma.flags() & flag != 0;
        // SAFETY: the area is valid under the lock that `VmaRef` stands for.
        let (pgoff, file) = unsafe { ((*vma.as_ptr()).vm_pgoff, (*vma.as_ptr()).vm_file) };
        let offset = if file.is_null() {
            0
        } else {
            (pgoff as u64).wrapping_mul(PAGE_SIZE as u64)
        };
        Ok(LayoutArea {
            span: Span {
                start: vma.start(),
                end: vma.end(),
            },
            permissions: Permissions {
                read: has(flags::READ),
                write: has(flags::WRITE),
                execute: has(flags::EXEC),
                shared: has(bindings::ABSTRACTIONS_VM_MAYSHARE),
            },
            offset,
            name: self.name(vma, file)?,
        })
    }

    fn name(&mut self, vma: &VmaRef, file: *const file) -> Result<NameRange, BufferFull> {
        let raw = vma.as_ptr();
        // SAFETY: the area is valid, and its lock keeps this name, under the lock that `VmaRef`
        // stands for.
        let anon_name = unsafe { name_at(bindings::abstractions_anon_vma_name(raw)) };
        if !file.is_null() {
            return match anon_name {
                Some(name) => self.names.add(&[b"[anon_shmem:", name, b"]"]),
                None => self.path(file),
            };
        }
        // SAFETY: as above; an area's operations are static, and their functions take any area of
        // theirs.
        let special = unsafe {
            let operations = (*raw).vm_ops.as_ref();
            let name = operations.and_then(|operations| operations.name);
            name.and_then(|name| name_at(name(raw)))
        };
        if let Some(name) = special {
            return self.names.add(&[name]);
        }
        // SAFETY: as above; an area's address space lives at least as long.
        if unsafe { bindings::abstractions_vma_is_initial_heap(raw) } {
            return self.names.add(&[b"[heap]"]);
        }
        // SAFETY: as above.
        if unsafe { bindings::abstractions_vma_is_initial_stack(raw) } {
            return self.names.add(&[b"[stack]"]);
        }
        match anon_name {
            Some(name) => self.names.add(&[b"[anon:", name, b"]"]),
            None => Ok(NameRange::default()),
        }
    }

    /// The path of a file, as seen from the calling process's root.
    fn path(&mut self, file: *const file) -> Result<NameRange, BufferFull> {
        let (last, name) = self.last_file;
        if ptr::eq(last, file) {
            return Ok(name);
        }
        let free = self.names.free();
        let len = c_int::try_from(free.len()).unwrap_or(c_int::MAX);
        let start = free.as_mut_ptr();
        // SAFETY: the area, which is valid under the lock, holds a reference to the file, which
        // holds its path; the buffer has at least `len` bytes.
        let path = unsafe {
            let path = bindings::abstractions_file_user_path(file);
            d_path(path, start.cast::<c_char>(), len)
        };
        let path = from_err_ptr(path).map_err(|_| BufferFull)?;
        // The path lies at the end of the buffer.
        let offset = path.addr().wrapping_sub(start.addr());
        let found = free.get(offset..).ok_or(BufferFull)?;
        let end = found
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(found.len());
        free.copy_within(offset..offset + end, 0);
        let name = self.names.keep(end);
        self.last_file = (file, name);
        Ok(name)
    }
}

/// The bytes of a C string, if there is one.
///
/// # Safety
///
/// `name` is null or points to a C string that is valid for `'a`.
unsafe fn name_at<'a>(name: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: by this function's own requirement.
    (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) }.to_bytes())
}
