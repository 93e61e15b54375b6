// SPDX-License-Identifier: GPL-2.0-only

//! Files in `/proc`.
//!
//! An open file does not pin the module (`proc_ops` has no owner), and need not: removing an entry waits for all
//! operations that are being executed and releases all open files. Operations on a descriptor that is still
//! open then return EIO.
//!
//! C header: `include/linux/proc_fs.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

use abstractions::bindings;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use kernel::alloc::Flags;
use kernel::bindings::{file, fixed_size_llseek, inode, iov_iter, kiocb, loff_t, proc_dir_entry};
use kernel::ffi::{c_char, c_int};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice, UserSliceReader};

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

/// The operations of a file in `/proc`. All of them may run at the same time.
pub trait ProcFile: Send + Sync + Sized + 'static {
    /// The state of one open file.
    type Open: Send + Sync;

    /// Returns the state of a file that is being opened. May sleep.
    ///
    /// # Errors
    ///
    /// An error is returned by `open(2)`.
    fn open(&self) -> Result<Pin<KBox<Self::Open>>>;

    /// Copies the file's text from `position` on, and advances the position. Returns the number of bytes. May sleep.
    ///
    /// # Errors
    ///
    /// An error is returned by `read(2)`.
    fn read(
        &self,
        open: &Self::Open,
        position: &mut i64,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;

    /// Takes all bytes of one `write(2)`. Afterwards the file's position is 0, whatever is returned. May sleep.
    ///
    /// # Errors
    ///
    /// An error is returned by `write(2)`.
    fn write(&self, open: &Self::Open, from: UserSliceReader) -> Result;

    /// Returns the length of the file's text in bytes, for `lseek(2)`. May sleep.
    fn len(&self, open: &Self::Open) -> usize;
}

/// Copies `text` from `position` on, for [`ProcFile::read`]. May sleep.
///
/// # Errors
///
/// Returns EFAULT if nothing could be copied, which `simple_read_from_buffer` of the kernel's Rust crate reports as
/// the end of the file.
pub fn read_text(text: &[u8], position: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
    let some_wanted = !to.is_empty() && usize::try_from(*position).is_ok_and(|at| at < text.len());
    match to.simple_read_from_buffer(position, text)? {
        0 if some_wanted => Err(EFAULT),
        read => Ok(read),
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

struct Operations<T>(PhantomData<T>);

impl<T: ProcFile> Operations<T> {
    const TABLE: bindings::proc_ops = bindings::proc_ops {
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
    /// `inode` belongs to an entry that [`ProcEntry::create`] created for `T`, and an operation of it is being executed.
    unsafe fn file_of<'a>(inode: *const inode) -> &'a T {
        // SAFETY: By the safety requirements of this function, the entry's data is a `T`, and it is alive while
        // an operation is being executed.
        unsafe { &*bindings::abstractions_pde_data(inode).cast::<T>() }
    }

    /// Returns the data of an entry and the state of one of its open files.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and is not released.
    unsafe fn open_of<'a>(file: *const file) -> (&'a T, &'a T::Open) {
        // SAFETY: By the safety requirements of this function, `open` put a `T::Open` into the private data, which
        // only `release` takes away.
        unsafe {
            (
                Self::file_of((*file).f_inode),
                &*(*file).private_data.cast::<T::Open>(),
            )
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that [`ProcEntry::create`] created for `T`.
    unsafe extern "C" fn open(inode: *mut inode, file: *mut file) -> c_int {
        // SAFETY: By the safety requirements of this function, the inode is that of such an entry. procfs does not
        // remove the entry during the call.
        match unsafe { Self::file_of(inode) }.open() {
            Ok(open) => {
                // SAFETY: The value is not moved out of its box: it is only dropped there, by `release`.
                let open = KBox::into_raw(unsafe { Pin::into_inner_unchecked(open) });
                // SAFETY: procfs passes a valid file, which no other thread uses before it is open.
                unsafe { (*file).private_data = open.cast() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that [`ProcEntry::create`] created for `T`.
    unsafe extern "C" fn release(_inode: *mut inode, file: *mut file) -> c_int {
        // SAFETY: `open` put the box into the private data. A file is released once and not used afterwards.
        drop(unsafe { KBox::from_raw((*file).private_data.cast::<T::Open>()) });
        0
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that [`ProcEntry::create`] created for `T`.
    unsafe extern "C" fn read_iter(kiocb: *mut kiocb, to: *mut iov_iter) -> isize {
        // SAFETY: By the safety requirements of this function, the file is an open file of such an entry.
        let (file, open) = unsafe { Self::open_of((*kiocb).ki_filp) };
        // SAFETY: The control block and the iterator are this call's alone.
        let (position, to) = unsafe { (&mut (*kiocb).ki_pos, IovIterDest::from_raw(to)) };
        match file.read(open, position, to) {
            Ok(read) => read as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that [`ProcEntry::create`] created for `T`.
    unsafe extern "C" fn write(
        file: *mut file,
        from: *const c_char,
        len: usize,
        position: *mut loff_t,
    ) -> isize {
        // SAFETY: By the safety requirements of this function, the file is an open file of such an entry.
        let (entry, open) = unsafe { Self::open_of(file) };
        let from = UserSlice::new(UserPtr::from_addr(from as usize), len).reader();
        let written = entry.write(open, from);
        // The file's own position is set, too, since write(2) copies `position` to it only after a success.
        // SAFETY: `position` is this call's alone. write(2) holds the lock of `f_pos`; pwrite(2) does not, so it may
        // race with others for the value, as two calls of pwrite(2) may.
        unsafe {
            *position = 0;
            (*file).f_pos = 0;
        }
        match written {
            Ok(()) => len as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Only procfs calls this, for an entry that [`ProcEntry::create`] created for `T`.
    unsafe extern "C" fn lseek(file: *mut file, offset: loff_t, whence: c_int) -> loff_t {
        // SAFETY: By the safety requirements of this function, the file is an open file of such an entry.
        let (entry, open) = unsafe { Self::open_of(file) };
        // SAFETY: procfs passes a valid file, and `fixed_size_llseek()` has no other requirements.
        unsafe { fixed_size_llseek(file, offset, whence, entry.len(open) as loff_t) }
    }
}
