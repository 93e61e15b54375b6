// SPDX-License-Identifier: GPL-2.0-only

//! The names of areas, as `/proc/<pid>/maps` shows them, one after the other in memory that is allocated before.

use abstractions_mm::area::AreaName;
use abstractions_mm::file_path::{FilePath, PathError};
use abstractions_task::current::{cond_resched, fatal_signal_pending};
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic::interrupted::Interrupted;
use logic::text::BufferFull;
use logic::units::PAGE_SIZE;
use logic_vm_layout::failure::ReportFailure;
use logic_vm_layout::layout::{LayoutArea, NameRange};

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

    /// Removes all names.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
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

    /// Writes a name that is not a file's. Does not sleep.
    ///
    /// # Errors
    ///
    /// Returns [`BufferFull`] if the pool is too small.
    pub(crate) fn write(&mut self, name: &AreaName<'_>) -> Result<NameRange, BufferFull> {
        match name {
            AreaName::None | AreaName::File(_) => Ok(NameRange::default()),
            AreaName::Kernel(name) => self.add(&[name]),
            AreaName::Anonymous(name) => self.add(&[b"[anon:", name, b"]"]),
            AreaName::AnonymousShared(name) => self.add(&[b"[anon_shmem:", name, b"]"]),
        }
    }

    /// Writes the path of a file. May sleep.
    fn write_path(&mut self, path: &FilePath) -> Result<NameRange, AllocError> {
        loop {
            let free = self.free();
            match path.write(free) {
                Ok(len) => return Ok(self.keep(len)),
                Err(PathError::NoRoom) if free.len() < LONGEST_PATH => self.grow()?,
                Err(_) => match self.add(&[UNKNOWN]) {
                    Ok(name) => return Ok(name),
                    Err(BufferFull) => self.grow()?,
                },
            }
        }
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

/// Bytes beyond which a path is not looked for: a file system that always says that there is too little room would be
/// asked for ever.
const LONGEST_PATH: usize = 1 << 20;
/// What is shown for a path that cannot be told.
const UNKNOWN: &[u8] = b"?";

/// An area that maps a file.
struct FileArea {
    /// The number of the area.
    area: usize,
    /// The file's path, unless it is the same file as that of the last one.
    path: Option<FilePath>,
}

/// The areas of one address space that map files, whose paths are looked up later.
pub(crate) struct FileNames(KVVec<FileArea>);

impl FileNames {
    /// Returns a list without memory.
    pub(crate) const fn new() -> Self {
        Self(KVVec::new())
    }

    /// Returns how many areas fit.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Removes all areas. May sleep.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Makes room for this many areas, in addition to those that there are. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub(crate) fn reserve(&mut self, areas: usize) -> Result<(), AllocError> {
        self.0.reserve(areas, GFP_KERNEL_ACCOUNT)
    }

    /// Adds the area with this number, and its path unless it is that of the last one. Does not sleep.
    ///
    /// # Errors
    ///
    /// Returns [`BufferFull`] if there is no room.
    pub(crate) fn push(&mut self, area: usize, path: Option<FilePath>) -> Result<(), BufferFull> {
        self.0
            .push_within_capacity(FileArea { area, path })
            .map_err(|_| BufferFull)
    }

    /// Looks up all paths, writes them to `names`, and names the areas. May sleep.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or a fatal signal is pending.
    pub(crate) fn look_up(
        self,
        areas: &mut [LayoutArea],
        names: &mut NamePool,
    ) -> Result<(), ReportFailure> {
        let mut name = NameRange::default();
        for file in self.0 {
            if let Some(path) = &file.path {
                cond_resched();
                if fatal_signal_pending() {
                    return Err(Interrupted.into());
                }
                name = names.write_path(path)?;
            }
            if let Some(area) = areas.get_mut(file.area) {
                area.name = name;
            }
        }
        Ok(())
    }
}
