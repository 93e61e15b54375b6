// SPDX-License-Identifier: GPL-2.0-only

//! The calls that procfs makes.
//!
//! # The file's position
//!
//! A write starts the file's text anew, so the next `read(2)` begins at 0. That cannot be done by setting `f_pos`:
//! `pwrite(2)` does not hold the lock of it, and a `read(2)` that has not returned yet would overwrite it. Instead, an
//! open file remembers of which version of the text its position is; the position in a text that was replaced since
//! counts as 0.
//!
//! A read at the file's position and a `pread(2)` differ only in whether their position is that of the file.

use crate::file::ProcFile;
use crate::written::write_whole;
use abstractions::bindings;
use core::marker::PhantomData;
use core::ptr;
use kernel::bindings::{file, fixed_size_llseek, inode, iov_iter, kiocb, loff_t};
use kernel::ffi::{c_char, c_int};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};

/// The private data of an open file.
struct OpenFile<T: ProcFile> {
    state: Pin<KBox<T::Open>>,
    /// The version of the text in which the file's position lies. Reads at the file's position hold its lock, so no
    /// other data depends on it.
    positioned_in: Atomic<u64>,
}

impl<T: ProcFile> OpenFile<T> {
    /// Returns true if the file's position lies in another version of the text than this one. From then on, it lies in
    /// this one.
    fn enter_version(&self, version: u64) -> bool {
        let stale = self.positioned_in.load(Relaxed) != version;
        self.positioned_in.store(version, Relaxed);
        stale
    }
}

pub(crate) struct Operations<T>(PhantomData<T>);

impl<T: ProcFile> Operations<T> {
    pub(crate) const TABLE: bindings::proc_ops = bindings::proc_ops {
        proc_open: Some(Self::open),
        proc_read_iter: Some(Self::read_iter),
        proc_write: Some(Self::write),
        proc_lseek: Some(Self::lseek),
        proc_release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// Returns the data of an entry.
    ///
    /// # Safety
    ///
    /// `inode` belongs to an entry that was created for `T`, and an operation of it is being executed.
    unsafe fn file_of<'a>(inode: *const inode) -> &'a T {
        // SAFETY: By the safety requirements of this function, the entry's data is a `T`, and it is alive while
        // an operation is being executed.
        unsafe { &*bindings::abstractions_pde_data(inode).cast::<T>() }
    }

    /// Returns the data of an entry and of one of its open files.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and is not released.
    unsafe fn open_of<'a>(file: *const file) -> (&'a T, &'a OpenFile<T>) {
        // SAFETY: By the safety requirements of this function, `open` put an `OpenFile` into the private data, which
        // only `release` takes away.
        unsafe {
            (
                Self::file_of((*file).f_inode),
                &*(*file).private_data.cast::<OpenFile<T>>(),
            )
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that was created for `T`.
    unsafe extern "C" fn open(inode: *mut inode, file: *mut file) -> c_int {
        // SAFETY: By the safety requirements of this function, the inode is that of such an entry. procfs does not
        // remove the entry during the call.
        let state = unsafe { Self::file_of(inode) }.open();
        let open = state.and_then(|state| {
            let positioned_in = Atomic::new(0);
            let open = OpenFile::<T> {
                state,
                positioned_in,
            };
            Ok(KBox::new(open, GFP_KERNEL_ACCOUNT)?)
        });
        match open {
            Ok(open) => {
                // SAFETY: procfs passes a valid file, which no other thread uses before it is open.
                unsafe { (*file).private_data = KBox::into_raw(open).cast() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that was created for `T`.
    unsafe extern "C" fn release(_inode: *mut inode, file: *mut file) -> c_int {
        // SAFETY: `open` put the box into the private data. A file is released once and not used afterwards.
        drop(unsafe { KBox::from_raw((*file).private_data.cast::<OpenFile<T>>()) });
        0
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that was created for `T`.
    unsafe extern "C" fn read_iter(kiocb: *mut kiocb, to: *mut iov_iter) -> isize {
        // SAFETY: The control block and the iterator are this call's alone. Another thread may change `f_pos` during a
        // `pread(2)`, so the word is read once.
        let (f_pos, position, to) = unsafe {
            (
                ptr::read_volatile(file_position((*kiocb).ki_filp)),
                &mut (*kiocb).ki_pos,
                IovIterDest::from_raw(to),
            )
        };
        // SAFETY: By the safety requirements of this function, the file is an open file of such an entry.
        let (file, open) = unsafe { Self::open_of((*kiocb).ki_filp) };
        let read = file.text(&open.state).and_then(|text| {
            if *position == f_pos && open.enter_version(text.version) {
                *position = 0;
            }
            read_text(text.text.as_ref(), position, to)
        });
        match read {
            Ok(read) => read as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that was created for `T`.
    unsafe extern "C" fn write(
        file: *mut file,
        from: *const c_char,
        len: usize,
        position: *mut loff_t,
    ) -> isize {
        // SAFETY: By the safety requirements of this function, the file is an open file of such an entry.
        let (entry, open) = unsafe { Self::open_of(file) };
        // SAFETY: The arguments are those of this call of `proc_write`; the position is this call's alone.
        let written = unsafe {
            write_whole(from, len, &mut *position, |from| {
                entry.write(&open.state, from)
            })
        };
        match written {
            Ok(written) => written as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that was created for `T`.
    unsafe extern "C" fn lseek(file: *mut file, offset: loff_t, whence: c_int) -> loff_t {
        // SAFETY: By the safety requirements of this function, the file is an open file of such an entry.
        let (entry, open) = unsafe { Self::open_of(file) };
        let text = match entry.text(&open.state) {
            Ok(text) => text,
            Err(error) => return loff_t::from(error.to_errno()),
        };
        if open.enter_version(text.version) {
            // SAFETY: lseek(2) holds the lock of `f_pos` if other threads may use the file.
            unsafe { *file_position(file) = 0 };
        }
        let len = text.text.as_ref().len() as loff_t;
        // SAFETY: procfs passes a valid file, and `fixed_size_llseek()` has no other requirements.
        unsafe { fixed_size_llseek(file, offset, whence, len) }
    }
}

/// Returns the address of a file's own position.
///
/// # Safety
///
/// `file` is alive.
unsafe fn file_position(file: *mut file) -> *mut loff_t {
    // SAFETY: By the safety requirements of this function, the file is alive; only the address is computed.
    unsafe { &raw mut (*file).f_pos }
}

/// Copies `text` from `position` on, and advances the position. Returns the number of bytes. May sleep.
///
/// # Errors
///
/// Returns EFAULT if nothing could be copied, which `simple_read_from_buffer` of the kernel's Rust crate reports as
/// the end of the file.
fn read_text(text: &[u8], position: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
    let some_wanted = !to.is_empty() && usize::try_from(*position).is_ok_and(|at| at < text.len());
    match to.simple_read_from_buffer(position, text)? {
        0 if some_wanted => Err(EFAULT),
        read => Ok(read),
    }
}
