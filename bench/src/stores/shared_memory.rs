// SPDX-License-Identifier: GPL-2.0-only

//! POSIX shared memory with a mutex that processes share: what costs no system call as long as nobody has to wait.

use super::{value, Store, KEYS, VALUE};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::mman::{mmap, munmap, shm_open, shm_unlink, MapFlags, ProtFlags};
use nix::sys::stat::Mode;
use nix::unistd::ftruncate;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

const NAME: &str = "/bench-shared";

#[repr(C)]
struct Table {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    /// Under the mutex.
    values: UnsafeCell<[[u8; VALUE]; KEYS]>,
}

/// The memory; forked processes have the same.
pub struct SharedTable(NonNull<c_void>);

impl SharedTable {
    /// Makes it.
    pub fn new() -> Result<Self> {
        let open = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
        let file = shm_open(NAME, open, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("cannot make the shared memory {NAME}"))?;
        shm_unlink(NAME)?;
        let bytes = NonZeroUsize::new(size_of::<Table>()).context("a table has a size")?;
        ftruncate(&file, i64::try_from(bytes.get())?)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a mapping where nothing is.
        let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, &file, 0) }?;
        let table = Self(start);
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised by the first call; the mutex is in memory that is nobody else's yet,
        // and stays where it is.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes.as_mut_ptr()))?;
            let shared = libc::PTHREAD_PROCESS_SHARED;
            check(libc::pthread_mutexattr_setpshared(
                attributes.as_mut_ptr(),
                shared,
            ))?;
            let mutex = table.table().mutex.get();
            check(libc::pthread_mutex_init(mutex, attributes.as_ptr()))?;
        }
        Ok(table)
    }

    fn table(&self) -> &Table {
        // SAFETY: the mapping has the table's size and is aligned to pages; all that changes is in cells.
        unsafe { self.0.cast().as_ref() }
    }
}

impl Drop for SharedTable {
    fn drop(&mut self) {
        // SAFETY: this mapping, which nobody refers to any more.
        let unmapped = unsafe { munmap(self.0, size_of::<Table>()) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

/// A process's way to it.
pub struct SharedMemory<'a> {
    table: &'a SharedTable,
    buffer: [u8; VALUE],
}

impl<'a> SharedMemory<'a> {
    /// That of the calling process.
    pub fn new(table: &'a SharedTable) -> Self {
        Self {
            table,
            buffer: [0; VALUE],
        }
    }

    fn locked(
        &mut self,
        what: impl FnOnce(&mut [[u8; VALUE]; KEYS], &mut [u8; VALUE]),
    ) -> Result<()> {
        let table = self.table.table();
        // SAFETY: an initialised mutex, which is unlocked by who locked it; the values are touched in between only.
        unsafe {
            check(libc::pthread_mutex_lock(table.mutex.get()))?;
            what(&mut *table.values.get(), &mut self.buffer);
            check(libc::pthread_mutex_unlock(table.mutex.get()))
        }
    }
}

impl Store for SharedMemory<'_> {
    fn get(&mut self, key: usize) -> Result<()> {
        self.locked(|values, buffer| buffer.copy_from_slice(&values[key]))?;
        std::hint::black_box(&self.buffer);
        Ok(())
    }

    fn set(&mut self, key: usize) -> Result<()> {
        self.locked(|values, _| values[key] = value(key))
    }
}

fn check(errno: c_int) -> Result<()> {
    match errno {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno).into()),
    }
}
