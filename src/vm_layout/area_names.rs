// SPDX-License-Identifier: GPL-2.0-only

//! The names of areas, as `/proc/<pid>/maps` shows them, one after the other in memory that is allocated before.

use abstractions_mm::area::{Area, AreaName, MappedFile};
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic::text::BufferFull;
use logic::units::PAGE_SIZE;
use logic_vm_layout::layout::NameRange;

/// Memory for the names of the areas of one address space.
pub(crate) struct NamePool {
    bytes: KVVec<u8>,
    used: usize,
}

impl NamePool {
    /// Returns a pool without memory.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: KVVec::new(),
            used: 0,
        }
    }

    /// Doubles the memory, or allocates the first. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn grow(&mut self) -> Result<(), AllocError> {
        let len = (2 * self.bytes.len()).max(PAGE_SIZE);
        self.bytes.resize(len, 0, GFP_KERNEL_ACCOUNT)
    }

    /// Returns all names, one after the other.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&self.bytes)
    }

    fn free(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or(&mut [])
    }

    /// Turns the first `len` free bytes into a name.
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

/// Writes the names of areas to a pool while their `mmap_lock` is held by `'g`. Does not sleep.
pub(crate) struct NameWriter<'g, 'p> {
    pool: &'p mut NamePool,
    /// The last file and its name: neighbouring areas often map the same file.
    last_file: Option<(MappedFile<'g>, NameRange)>,
}

impl<'g, 'p> NameWriter<'g, 'p> {
    /// Starts with an empty pool: earlier names are removed.
    pub(crate) fn new(pool: &'p mut NamePool) -> Self {
        pool.used = 0;
        Self {
            pool,
            last_file: None,
        }
    }

    /// Writes the name of an area. Returns where it is in the pool.
    ///
    /// # Errors
    ///
    /// Returns [`BufferFull`] if the pool is too small.
    pub(crate) fn write(&mut self, area: &Area<'g>) -> Result<NameRange, BufferFull> {
        match area.name() {
            AreaName::None => Ok(NameRange::default()),
            AreaName::File(file) => self.path(file),
            AreaName::Kernel(name) => self.pool.add(&[name]),
            AreaName::Anonymous(name) => self.pool.add(&[b"[anon:", name, b"]"]),
            AreaName::AnonymousShared(name) => self.pool.add(&[b"[anon_shmem:", name, b"]"]),
        }
    }

    /// Writes the path of a file.
    fn path(&mut self, file: MappedFile<'g>) -> Result<NameRange, BufferFull> {
        if let Some((_, name)) = self.last_file.filter(|(last, _)| last.is(&file)) {
            return Ok(name);
        }
        let len = file.path(self.pool.free())?;
        let name = self.pool.keep(len);
        self.last_file = Some((file, name));
        Ok(name)
    }
}
