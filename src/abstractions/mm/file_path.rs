// SPDX-License-Identifier: GPL-2.0-only

//! The path of a mapped file, which can be kept and printed without the `mmap_lock`.
//!
//! C headers: `include/linux/path.h`, `include/linux/dcache.h`.

use crate::area::MappedFile;
use kernel::bindings::{d_path, path, path_get, path_put, ENAMETOOLONG};
use kernel::error::from_err_ptr;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;

/// What `d_path()` returns if the buffer is too short. The kernel's crate names this error from 7.3 on.
const TOO_LONG: c_int = -(ENAMETOOLONG as c_int);

/// Why a path was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathError {
    /// The path and a NUL do not fit.
    NoRoom,
    /// The file system does not tell it.
    Unknown,
}

/// A counted reference to the directory entry and the mount of a file, but not to the file, whose locks it does not keep.
///
/// # Invariants
///
/// Owns a reference to the path.
pub struct FilePath(path);

// SAFETY: A path is counted, and any thread may use and put a reference to it.
unsafe impl Send for FilePath {}

impl FilePath {
    /// Returns the path of a mapped file. Does not sleep.
    pub fn of(file: &MappedFile<'_>) -> Self {
        // SAFETY: The file is referenced as long as the argument is borrowed, and holds its path.
        let path = unsafe {
            let path = file.user_path();
            path_get(path);
            *path
        };
        // INVARIANT: The reference was just taken.
        Self(path)
    }

    /// Writes the path, as seen from the calling task's root, to the beginning of `buffer`. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// See [`PathError`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, PathError> {
        let len = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        let start = buffer.as_mut_ptr();
        // SAFETY: By the type invariants, the path is referenced; the buffer has at least `len` bytes.
        let written = unsafe { d_path(&raw const self.0, start.cast::<c_char>(), len) };
        let written = from_err_ptr(written).map_err(|error| match error.to_errno() {
            TOO_LONG => PathError::NoRoom,
            _ => PathError::Unknown,
        })?;
        // `d_path` writes the path to the end of the buffer.
        let offset = written.addr().wrapping_sub(start.addr());
        let found = buffer.get(offset..).ok_or(PathError::Unknown)?;
        let len = found
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(found.len());
        buffer.copy_within(offset..offset + len, 0);
        Ok(len)
    }
}

impl Drop for FilePath {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the reference that is put here.
        unsafe { path_put(&raw const self.0) };
    }
}
