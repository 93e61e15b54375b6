// SPDX-License-Identifier: GPL-2.0-only

//! Files in `/proc`.
//!
//! procfs itself keeps a module's file apart from its unloading: removing the entry waits for all
//! operations under way and releases what is still open; whoever holds such a descriptor gets EIO from
//! then on. So an open file does not pin the module (`proc_ops` has no owner), and need not.
//!
//! C header: `include/linux/proc_fs.h`.

use crate::bindings;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use kernel::alloc::Flags;
use kernel::bindings::{file, fixed_size_llseek, inode, iov_iter, kiocb, loff_t, proc_dir_entry};
use kernel::ffi::{c_char, c_int};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice, UserSliceReader};

/// Permission bits that make sense for such a file: read and write for owner, group and others.
pub const MODE_MASK: u16 = 0o666;

/// Behaviour of a file in `/proc`.
pub trait ProcFile: Send + Sync + Sized + 'static {
    /// What belongs to one open file.
    type Open: Send + Sync;

    /// Somebody opens the file.
    ///
    /// # Errors
    ///
    /// Those of `open(2)`.
    fn open(&self) -> Result<Pin<KBox<Self::Open>>>;

    /// Copies text from `position` on. May sleep.
    ///
    /// # Errors
    ///
    /// Those of `read(2)`.
    fn read(
        &self,
        open: &Self::Open,
        position: &mut i64,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;

    /// One `write(2)`, taken whole or not at all; the file's position becomes 0. May sleep.
    ///
    /// # Errors
    ///
    /// Those of `write(2)`.
    fn write(&self, open: &Self::Open, from: UserSliceReader) -> Result;

    /// Bytes that there are to read now, for `lseek(2)`. May sleep.
    fn len(&self, open: &Self::Open) -> usize;
}

/// Copies text from `position` on, for [`ProcFile::read`]. May sleep.
///
/// # Errors
///
/// EFAULT if nothing could be copied, which `simple_read_from_buffer` of the kernel's Rust crate
/// reports as the end of the file.
pub fn read_text(text: &[u8], position: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
    let some_wanted = !to.is_empty() && usize::try_from(*position).is_ok_and(|at| at < text.len());
    match to.simple_read_from_buffer(position, text)? {
        0 if some_wanted => Err(EFAULT),
        read => Ok(read),
    }
}

/// A file that exists in `/proc` for as long as this lives.
///
/// # Invariants
///
/// `entry` was created with `file` as its data.
pub struct ProcEntry<T: ProcFile> {
    entry: NonNull<proc_dir_entry>,
    /// Dropped after the entry, whose removal waits for all who use it.
    file: KBox<T>,
}

// SAFETY: an entry may be removed by any thread; `T` is `Send` and `Sync`.
unsafe impl<T: ProcFile> Send for ProcEntry<T> {}
// SAFETY: as above; there is nothing to do with a shared entry.
unsafe impl<T: ProcFile> Sync for ProcEntry<T> {}

impl<T: ProcFile> ProcEntry<T> {
    /// Creates `/proc/<name>` with these permission bits. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, also for a name that is taken.
    pub fn create(name: &CStr, mode: u16, file: T, flags: Flags) -> Result<Self> {
        let file = KBox::new(file, flags)?;
        // SAFETY: the operations fit the data, which outlives the entry.
        let entry = unsafe {
            bindings::proc_create_data(
                name.as_char_ptr(),
                mode,
                ptr::null_mut(),
                &Operations::<T>::TABLE,
                ptr::from_ref(&*file).cast_mut().cast(),
            )
        };
        // INVARIANT: created with `file` as its data.
        Ok(Self {
            entry: NonNull::new(entry).ok_or(ENOMEM)?,
            file,
        })
    }

    /// The file's behaviour.
    pub fn file(&self) -> &T {
        &self.file
    }
}

impl<T: ProcFile> Drop for ProcEntry<T> {
    fn drop(&mut self) {
        // SAFETY: created by `create`, removed once.
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

    /// # Safety
    ///
    /// `inode` belongs to an entry that [`ProcEntry::create`] made for `T` and that is in use.
    unsafe fn file_of<'a>(inode: *const inode) -> &'a T {
        // SAFETY: the data of such an entry is a `T` that lives until its users are gone.
        unsafe { &*bindings::abstractions_pde_data(inode).cast::<T>() }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and is not released.
    unsafe fn open_of<'a>(file: *const file) -> (&'a T, &'a T::Open) {
        // SAFETY: `open` put a `T::Open` there, which `release` takes away.
        unsafe {
            (
                Self::file_of((*file).f_inode),
                &*(*file).private_data.cast::<T::Open>(),
            )
        }
    }

    /// # Safety
    ///
    /// To be called by procfs only, for an entry that [`ProcEntry::create`] made for `T`.
    unsafe extern "C" fn open(inode: *mut inode, file: *mut file) -> c_int {
        // SAFETY: procfs calls this for entries with these operations, and while they are in use.
        match unsafe { Self::file_of(inode) }.open() {
            Ok(open) => {
                // SAFETY: never moved out of again before it is dropped in `release`.
                let open = KBox::into_raw(unsafe { Pin::into_inner_unchecked(open) });
                // SAFETY: a file being opened is this function's to set up.
                unsafe { (*file).private_data = open.cast() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by procfs only, for an entry that [`ProcEntry::create`] made for `T`.
    unsafe extern "C" fn release(_inode: *mut inode, file: *mut file) -> c_int {
        // SAFETY: `open` put the box there; a file is released once, and not used afterwards.
        drop(unsafe { KBox::from_raw((*file).private_data.cast::<T::Open>()) });
        0
    }

    /// # Safety
    ///
    /// To be called by procfs only, for an entry that [`ProcEntry::create`] made for `T`.
    unsafe extern "C" fn read_iter(kiocb: *mut kiocb, to: *mut iov_iter) -> isize {
        // SAFETY: procfs hands over an open file of this entry.
        let (file, open) = unsafe { Self::open_of((*kiocb).ki_filp) };
        // SAFETY: ours for the time of the call.
        let (position, to) = unsafe { (&mut (*kiocb).ki_pos, IovIterDest::from_raw(to)) };
        match file.read(open, position, to) {
            Ok(read) => read as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// To be called by procfs only, for an entry that [`ProcEntry::create`] made for `T`.
    unsafe extern "C" fn write(
        file: *mut file,
        from: *const c_char,
        len: usize,
        position: *mut loff_t,
    ) -> isize {
        // SAFETY: procfs hands over an open file of this entry.
        let (entry, open) = unsafe { Self::open_of(file) };
        let from = UserSlice::new(UserPtr::from_addr(from as usize), len).reader();
        let written = entry.write(open, from);
        // The file's own position too: write(2) only takes over `position` when all went well.
        // SAFETY: `position` is ours for the time of the call. write(2) holds the lock of `f_pos`;
        // pwrite(2) does not, and races as two of its callers would: for the value, no more.
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
    /// To be called by procfs only, for an entry that [`ProcEntry::create`] made for `T`.
    unsafe extern "C" fn lseek(file: *mut file, offset: loff_t, whence: c_int) -> loff_t {
        // SAFETY: procfs hands over an open file of this entry.
        let (entry, open) = unsafe { Self::open_of(file) };
        // SAFETY: as above.
        unsafe { fixed_size_llseek(file, offset, whence, entry.len(open) as loff_t) }
    }
}
