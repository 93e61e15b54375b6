// SPDX-License-Identifier: GPL-2.0-only

//! A value on the heap, as in the kernel's `rust/kernel/alloc/kbox.rs`.

use super::allocator::{KVmalloc, Kmalloc, Vmalloc};
use super::{AllocError, Allocator, Flags};
use crate::heap;
use crate::init::{InPlaceInit, PinInit};
use crate::runtime::blocks;
use std::marker::PhantomData;
use std::mem::{self, size_of};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;

/// A value on the heap that has one owner.
///
/// # Invariants
///
/// The pointer is to a live heap block that holds a `T` and that only this box owns.
pub struct Box<T, A: Allocator>(NonNull<T>, PhantomData<(A, T)>);

/// A box in `kmalloc()` memory.
pub type KBox<T> = Box<T, Kmalloc>;
/// A box in `vmalloc()` memory.
pub type VBox<T> = Box<T, Vmalloc>;
/// A box in `kvmalloc()` memory.
pub type KVBox<T> = Box<T, KVmalloc>;

// SAFETY: A box owns its value, which moves with it.
unsafe impl<T: Send, A: Allocator> Send for Box<T, A> {}
// SAFETY: A shared box gives `&T`, for which `T` is `Sync`.
unsafe impl<T: Sync, A: Allocator> Sync for Box<T, A> {}

impl<T, A: Allocator> Box<T, A> {
    /// Moves `x` to the heap.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; `x` is dropped.
    pub fn new(x: T, flags: Flags) -> Result<Self, AllocError> {
        if size_of::<T>() > A::MAX_BYTES {
            return Err(AllocError);
        }
        let block = heap::allocate(size_of::<T>(), align_of::<T>(), flags)?.cast::<T>();
        // SAFETY: The block was just allocated for a `T`.
        unsafe { block.write(x) };
        // INVARIANT: The block is new and holds a `T`.
        Ok(Self(block, PhantomData))
    }

    /// Moves `x` to the heap and pins it there.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; `x` is dropped.
    pub fn pin(x: T, flags: Flags) -> Result<Pin<Self>, AllocError> {
        Ok(Self::new(x, flags)?.into())
    }

    /// Gives up the ownership of the value.
    pub fn into_raw(b: Self) -> *mut T {
        mem::ManuallyDrop::new(b).0.as_ptr()
    }

    /// Takes back the ownership of a value.
    ///
    /// # Safety
    ///
    /// `raw` was returned by [`Self::into_raw`], and has not been taken back since.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: By the safety requirements of this function, `raw` is the pointer of a box, so not null.
        // INVARIANT: By the same requirements, the box that gave it up was its only owner.
        Self(unsafe { NonNull::new_unchecked(raw) }, PhantomData)
    }

    /// Frees the box and returns its value.
    pub fn into_inner(b: Self) -> T {
        blocks::read(b.0.as_ptr() as usize);
        let block = mem::ManuallyDrop::new(b).0;
        // SAFETY: By the type invariants, the block holds a `T`; it is not used after it was freed.
        unsafe {
            let value = block.read();
            heap::free(block.cast(), size_of::<T>());
            value
        }
    }
}

impl<T, A: Allocator> From<Box<T, A>> for Pin<Box<T, A>> {
    fn from(b: Box<T, A>) -> Self {
        // SAFETY: A heap block does not move, and a pinned box does not let the value be moved out.
        unsafe { Pin::new_unchecked(b) }
    }
}

impl<T, A: Allocator> InPlaceInit<T> for Box<T, A> {
    type PinnedSelf = Pin<Self>;

    fn try_pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>, E>
    where
        E: From<AllocError>,
    {
        Ok(Self::pin(init.make()?, flags)?)
    }
}

impl<T, A: Allocator> Deref for Box<T, A> {
    type Target = T;

    fn deref(&self) -> &T {
        blocks::read(self.0.as_ptr() as usize);
        // SAFETY: By the type invariants, the block holds a `T`, which is borrowed with the box.
        unsafe { self.0.as_ref() }
    }
}

impl<T, A: Allocator> DerefMut for Box<T, A> {
    fn deref_mut(&mut self) -> &mut T {
        blocks::written(self.0.as_ptr() as usize);
        // SAFETY: By the type invariants, the block holds a `T` and has no other owner.
        unsafe { self.0.as_mut() }
    }
}

impl<T, A: Allocator> Drop for Box<T, A> {
    fn drop(&mut self) {
        blocks::written(self.0.as_ptr() as usize);
        // SAFETY: By the type invariants, the block holds a `T`; neither is used after this.
        unsafe {
            self.0.drop_in_place();
            heap::free(self.0.cast(), size_of::<T>());
        }
    }
}
