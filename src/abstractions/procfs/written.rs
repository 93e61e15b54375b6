// SPDX-License-Identifier: GPL-2.0-only

//! The bytes that one system call writes.
//!
//! procfs has no `write_iter`: it passes each segment of a `writev(2)` by a call of its own. The whole of it is found
//! in the arguments of the system call. The position, which the kernel hands from segment to segment, says with which
//! of them it was taken: between the segments, it is below 0 by the number of bytes that are still to come. (A caller
//! cannot pass a negative position.)

use abstractions::bindings::{
    abstractions_written, abstractions_written_free, abstractions_written_init,
};
use core::mem::MaybeUninit;
use kernel::bindings::loff_t;
use kernel::error::to_result;
use kernel::ffi::c_char;
use kernel::iov::IovIterSource;
use kernel::prelude::*;

/// Passes the whole of what the calling task's system call writes to `take`, with its first segment that is not empty.
/// Accepts the other segments without calling it. Returns how many bytes procfs is told that were written.
///
/// # Errors
///
/// Returns the error of `take`.
///
/// # Safety
///
/// procfs passed `from`, `len` and the position to `proc_write`, which is being executed.
pub(crate) unsafe fn write_whole(
    from: *const c_char,
    len: usize,
    position: &mut loff_t,
    take: impl FnOnce(Result<&mut IovIterSource<'_>>) -> Result,
) -> Result<usize> {
    if len == 0 {
        return Ok(0);
    }
    if *position < 0 {
        *position = position.saturating_add_unsigned(len as u64).min(0);
        return Ok(len);
    }
    let mut memory = MaybeUninit::uninit();
    // SAFETY: By the safety requirements of this function, these are the arguments of `proc_write`.
    let mut written = unsafe { Written::import(&mut memory, from, len) };
    let (whole, iter) = match &mut written {
        Ok(written) => (written.len(), Ok(written.iter())),
        Err(error) => (len, Err(*error)),
    };
    take(iter)?;
    *position = 0;
    *position = position.saturating_sub_unsigned(whole.saturating_sub(len) as u64);
    Ok(len)
}

/// All bytes that the system call writes. It stays where it is, since it has pointers to itself.
///
/// # Invariants
///
/// The value was initialized by `abstractions_written_init`.
struct Written<'a>(&'a mut abstractions_written);

impl<'a> Written<'a> {
    /// # Errors
    ///
    /// Returns EFAULT or ENOMEM.
    ///
    /// # Safety
    ///
    /// `from` and `len` are those that procfs passed to `proc_write`, which is being executed for the calling task.
    unsafe fn import(
        memory: &'a mut MaybeUninit<abstractions_written>,
        from: *const c_char,
        len: usize,
    ) -> Result<Self> {
        // SAFETY: By the safety requirements of this function, the arguments are those of `proc_write`. The helper
        // writes to all of the memory that is used afterwards.
        to_result(unsafe { abstractions_written_init(memory.as_mut_ptr(), from, len) })?;
        // INVARIANT: It was just initialized.
        // SAFETY: The helper has succeeded, so the value is initialized.
        Ok(Self(unsafe { memory.assume_init_mut() }))
    }

    fn len(&mut self) -> usize {
        self.iter().len()
    }

    fn iter(&mut self) -> &mut IovIterSource<'_> {
        // SAFETY: By the type invariants, this is a valid iterator over user memory, with the direction `ITER_SOURCE`.
        // The borrow of `self` keeps others from using it.
        unsafe { IovIterSource::from_raw(&raw mut self.0.iter) }
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the value was initialized, and it is not used afterwards.
        unsafe { abstractions_written_free(&raw mut *self.0) };
    }
}
