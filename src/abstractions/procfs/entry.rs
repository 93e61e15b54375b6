// SPDX-License-Identifier: GPL-2.0-only

//! A file in `/proc`.
//!
//! An open file does not pin the module (`proc_ops` has no owner), and need not: removing an entry waits for all
//! operations that are being executed and releases all open files. Operations on a descriptor that is still
//! open then return EIO.

use crate::file::ProcFile;
use crate::operations::Operations;
use abstractions::bindings;
use core::ptr::{self, NonNull};
use kernel::alloc::Flags;
use kernel::bindings::proc_dir_entry;
use kernel::prelude::*;

/// Permission bits of a file in `/proc`: only read and write, for owner, group and others.
#[derive(Clone, Copy)]
pub struct FileMode(u16);

impl FileMode {
    /// The bits that a mode may have.
    pub const MASK: u16 = 0o666;

    /// Returns the mode with these bits, or `None` if it has others than [`Self::MASK`].
    pub fn new(bits: u16) -> Option<Self> {
        (bits & !Self::MASK == 0).then_some(Self(bits))
    }
}

/// A file that exists in `/proc` until this value is dropped.
///
/// # Invariants
///
/// `entry` was created with `file` as its data.
pub struct ProcEntry<T: ProcFile> {
    entry: NonNull<proc_dir_entry>,
    /// Dropped after the entry was removed, which waits for all operations.
    file: KBox<T>,
}

// SAFETY: Any thread may remove an entry, and `T` is `Send`.
unsafe impl<T: ProcFile> Send for ProcEntry<T> {}
// SAFETY: A shared entry only gives access to `&T`, and `T` is `Sync`.
unsafe impl<T: ProcFile> Sync for ProcEntry<T> {}

impl<T: ProcFile> ProcEntry<T> {
    /// Creates `/proc/<name>`. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted or the name is taken.
    pub fn create(name: &CStr, mode: FileMode, file: T, flags: Flags) -> Result<Self> {
        let file = KBox::new(file, flags)?;
        // SAFETY: The operations are static and expect a `T` as the entry's data, which is in a box that is dropped
        // after the entry was removed.
        let entry = unsafe {
            bindings::proc_create_data(
                name.as_char_ptr(),
                mode.0,
                ptr::null_mut(),
                &Operations::<T>::TABLE,
                ptr::from_ref(&*file).cast_mut().cast(),
            )
        };
        // INVARIANT: The entry was just created with `file` as its data.
        Ok(Self {
            entry: NonNull::new(entry).ok_or(ENOMEM)?,
            file,
        })
    }

    /// Returns the value that implements the file's operations.
    pub fn file(&self) -> &T {
        &self.file
    }
}

impl<T: ProcFile> Drop for ProcEntry<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the entry exists, and this removes it once.
        unsafe { bindings::proc_remove(self.entry.as_ptr()) };
    }
}
