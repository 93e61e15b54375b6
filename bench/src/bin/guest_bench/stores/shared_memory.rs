// SPDX-License-Identifier: GPL-2.0-only

//! A store in POSIX shared memory under a process-shared mutex. It needs no system call as long as the mutex is not
//! contended.

use super::interface::{value, Store, KEYS, VALUE};
use anyhow::{Context, Result};
use guest::mapping::{Mapping, PAGE, RW};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::mman::{shm_open, shm_unlink, MapFlags};
use nix::sys::stat::Mode;
use nix::unistd::ftruncate;
use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::fs::File;
use std::mem::MaybeUninit;

const NAME: &str = "/bench-shared";

#[repr(C)]
struct Table {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    /// Values by the numbers of their keys. Protected by the mutex.
    values: UnsafeCell<[[u8; VALUE]; KEYS]>,
}

/// Shared memory with a table, which forked processes share with their parent.
///
/// # Invariants
///
/// The mapping begins with a [`Table`] whose mutex is initialized for use by several processes.
pub struct SharedTable(Mapping);

impl SharedTable {
    /// Creates the shared memory and initializes the table with zeros.
    pub fn new() -> Result<Self> {
        let open = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
        let file = shm_open(NAME, open, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("cannot create the shared memory {NAME}"))?;
        shm_unlink(NAME)?;
        let pages = size_of::<Table>().div_ceil(PAGE);
        ftruncate(&file, i64::try_from(pages * PAGE)?)?;
        let mapping = Mapping::of_file(&File::from(file), 0, pages, RW, MapFlags::MAP_SHARED)?;
        let table = mapping.start().cast::<Table>().as_ptr();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: The first call initializes the attributes. The mapping is as large as a table and aligned to a page,
        // no other process has it yet, and the mutex does not move.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes.as_mut_ptr()))?;
            let shared = libc::PTHREAD_PROCESS_SHARED;
            check(libc::pthread_mutexattr_setpshared(
                attributes.as_mut_ptr(),
                shared,
            ))?;
            let mutex = UnsafeCell::raw_get(&raw const (*table).mutex);
            check(libc::pthread_mutex_init(mutex, attributes.as_ptr()))?;
        }
        // INVARIANT: The mutex was just initialized, and zeros are valid values.
        Ok(Self(mapping))
    }

    fn table(&self) -> &Table {
        // SAFETY: By the type invariants, the mapping begins with a table; all that changes in it is in cells.
        unsafe { self.0.start().cast().as_ref() }
    }
}

/// Access of one process to the table.
pub struct SharedMemory<'a> {
    table: &'a SharedTable,
    buffer: [u8; VALUE],
}

impl<'a> SharedMemory<'a> {
    /// Makes the access of the calling process.
    pub fn new(table: &'a SharedTable) -> Self {
        Self {
            table,
            buffer: [0; VALUE],
        }
    }

    /// Runs `action` with the mutex locked.
    fn locked(
        &mut self,
        action: impl FnOnce(&mut [[u8; VALUE]; KEYS], &mut [u8; VALUE]),
    ) -> Result<()> {
        let table = self.table.table();
        // SAFETY: By the type invariants of the table, the mutex is initialized. This thread unlocks what it locked,
        // and accesses the values only in between.
        unsafe {
            check(libc::pthread_mutex_lock(table.mutex.get()))?;
            action(&mut *table.values.get(), &mut self.buffer);
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

/// Converts the return value of a pthread function.
fn check(errno: c_int) -> Result<()> {
    match errno {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno).into()),
    }
}
