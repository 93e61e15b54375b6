// SPDX-License-Identifier: GPL-2.0-only

//! Memory that forked processes share with their parent.

use crate::mapping::{Area, Mapping, PAGE, RW};
use anyhow::{ensure, Result};
use nix::sys::mman::MapFlags;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Types whose values several processes may use at once.
///
/// # Safety
///
/// All that changes after construction is atomic, and nothing refers to memory outside of the value: such memory would
/// be another one in each process.
pub unsafe trait SharedBetweenProcesses: Sync {}

// SAFETY: The value is atomic and does not refer to other memory.
unsafe impl SharedBetweenProcesses for AtomicBool {}
// SAFETY: The value is atomic and does not refer to other memory.
unsafe impl SharedBetweenProcesses for AtomicU64 {}

/// Values in memory that this process and all processes forked from it afterwards share. Each process unmaps the memory
/// when it drops this.
///
/// # Invariants
///
/// `mapping` begins with `len` values of `T` and contains nothing else.
pub struct Shared<T> {
    mapping: Mapping,
    len: usize,
    values: PhantomData<T>,
}

// SAFETY: By the trait's contract, even several processes may use the values at once.
unsafe impl<T: SharedBetweenProcesses> Sync for Shared<T> {}

impl<T: SharedBetweenProcesses> Shared<T> {
    /// Maps memory for `len` values, each of which is made by `value`.
    pub fn new(len: usize, value: impl FnMut() -> T) -> Result<Self> {
        ensure!(
            align_of::<T>() <= PAGE,
            "a value needs more than the alignment of a page"
        );
        let pages = (len * size_of::<T>()).div_ceil(PAGE).max(1);
        let mapping = Mapping::anonymous_with(pages, RW, MapFlags::MAP_SHARED)?;
        let first = mapping.start().cast::<T>();
        for (index, value) in std::iter::repeat_with(value).take(len).enumerate() {
            // SAFETY: The new mapping has room for `len` values and is aligned to a page.
            unsafe { first.add(index).write(value) };
        }
        // INVARIANT: The values were just written.
        Ok(Self {
            mapping,
            len,
            values: PhantomData,
        })
    }

    /// Keeps the values until the process ends.
    pub fn leak(self) -> &'static [T] {
        let len = self.len;
        let area: Area = self.mapping.leak();
        // SAFETY: By the type invariants, the mapping begins with `len` values. It is never unmapped, and only what is
        // atomic in the values changes.
        unsafe { std::slice::from_raw_parts(area.start().cast().as_ptr(), len) }
    }
}

impl<T: SharedBetweenProcesses> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: By the type invariants, the mapping begins with `len` values. It is mapped as long as `self` exists,
        // and only what is atomic in the values changes.
        unsafe { std::slice::from_raw_parts(self.mapping.start().cast().as_ptr(), self.len) }
    }
}

/// A flag that forked processes share with their parent.
pub struct Flag(Shared<AtomicBool>);

impl Flag {
    /// Makes a flag that is not set.
    pub fn new() -> Result<Self> {
        Ok(Self(Shared::new(1, || AtomicBool::new(false))?))
    }

    /// Sets or clears the flag. What the caller did before is visible to a process that sees the new value.
    pub fn set(&self, value: bool) {
        self.0[0].store(value, Ordering::Release);
    }

    /// Returns true if the flag is set.
    pub fn is_set(&self) -> bool {
        self.0[0].load(Ordering::Acquire)
    }
}
