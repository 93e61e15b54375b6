// SPDX-License-Identifier: GPL-2.0-only

//! A growable array, as in the kernel's `rust/kernel/alloc/kvec.rs`.

use super::allocator::{KVmalloc, Kmalloc, Vmalloc};
use super::{AllocError, Allocator, Flags};
use crate::heap;
use crate::runtime::blocks;
use std::fmt;
use std::marker::PhantomData;
use std::mem::size_of;
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::ptr::{self, NonNull};
use std::slice::{self, SliceIndex};

mod errors;
mod into_iter;

pub use errors::{PushError, RemoveError};
pub use into_iter::IntoIter;

/// A growable array whose growing may fail.
///
/// # Invariants
///
/// - `capacity` is 0 and `ptr` dangles, or `ptr` is to a live heap block of `capacity` elements; for
///   elements without size there is no block, and `capacity` is 0.
/// - The first `len` elements are valid; `len` is at most [`Self::capacity`].
pub struct Vec<T, A: Allocator> {
    ptr: NonNull<T>,
    capacity: usize,
    len: usize,
    _owns: PhantomData<(A, T)>,
}

/// A vector in `kmalloc()` memory.
pub type KVec<T> = Vec<T, Kmalloc>;
/// A vector in `vmalloc()` memory.
pub type VVec<T> = Vec<T, Vmalloc>;
/// A vector in `kvmalloc()` memory.
pub type KVVec<T> = Vec<T, KVmalloc>;

// SAFETY: A vector owns its elements, which move with it.
unsafe impl<T: Send, A: Allocator> Send for Vec<T, A> {}
// SAFETY: A shared vector gives `&T`, for which `T` is `Sync`.
unsafe impl<T: Sync, A: Allocator> Sync for Vec<T, A> {}

impl<T, A: Allocator> Vec<T, A> {
    /// Creates a vector without elements and without memory.
    pub const fn new() -> Self {
        // INVARIANT: There is no block and no element.
        Self {
            ptr: NonNull::dangling(),
            capacity: 0,
            len: 0,
            _owns: PhantomData,
        }
    }

    /// Creates a vector without elements and with memory for `capacity`.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut v = Self::new();
        v.reserve(capacity, flags)?;
        Ok(v)
    }

    /// Returns the number of elements that the vector can hold without growing.
    pub const fn capacity(&self) -> usize {
        if size_of::<T>() == 0 {
            usize::MAX
        } else {
            self.capacity
        }
    }

    /// Returns the number of elements.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the elements as a slice.
    pub fn as_slice(&self) -> &[T] {
        self
    }

    /// Returns the elements as a mutable slice.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    /// Returns a pointer to the first element.
    pub const fn as_ptr(&self) -> *const T {
        self.ptr.as_ptr()
    }

    /// Returns a pointer to the first element.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr.as_ptr()
    }

    /// Makes room for `additional` more elements; at least doubles when it grows.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the vector is unchanged.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result<(), AllocError> {
        if self.capacity() - self.len >= additional {
            return Ok(());
        }
        if size_of::<T>() == 0 {
            return Err(AllocError);
        }
        let wanted = self.len.checked_add(additional).ok_or(AllocError)?;
        let capacity = wanted.max(self.capacity * 2);
        let bytes = capacity.checked_mul(size_of::<T>()).ok_or(AllocError)?;
        if bytes > A::MAX_BYTES {
            return Err(AllocError);
        }
        let grown = heap::allocate(bytes, align_of::<T>(), flags)?.cast::<T>();
        self.about_to_read();
        // SAFETY: Both blocks hold at least `len` elements and do not overlap.
        unsafe { ptr::copy_nonoverlapping(self.ptr.as_ptr(), grown.as_ptr(), self.len) };
        self.free_block();
        // INVARIANT: The elements have moved to a block of `capacity` elements.
        self.ptr = grown;
        self.capacity = capacity;
        Ok(())
    }

    /// Appends an element, and grows if there is no room.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the element is dropped.
    pub fn push(&mut self, v: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        self.push_within_capacity(v).map_err(|_| AllocError)
    }

    /// Appends an element if there is room.
    ///
    /// # Errors
    ///
    /// Returns the element if there is no room.
    pub fn push_within_capacity(&mut self, v: T) -> Result<(), PushError<T>> {
        if self.len == self.capacity() {
            return Err(PushError(v));
        }
        self.about_to_write();
        // SAFETY: The block has room for one more element.
        unsafe { self.ptr.add(self.len).write(v) };
        // INVARIANT: The element was just written.
        self.len += 1;
        Ok(())
    }

    /// Removes the last element and returns it.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.about_to_write();
        // INVARIANT: The last element moves out.
        self.len = last;
        // SAFETY: By the type invariants, the element was valid; `len` does not include it any more.
        Some(unsafe { self.ptr.add(last).read() })
    }

    /// Removes the element at index `i`, moves the later ones up, and returns it.
    ///
    /// # Errors
    ///
    /// Returns an error if `i` is out of bounds.
    pub fn remove(&mut self, i: usize) -> Result<T, RemoveError> {
        if i >= self.len {
            return Err(RemoveError);
        }
        self.about_to_write();
        // SAFETY: `i` is in bounds, and the gap that the removed element leaves is closed.
        let value = unsafe {
            let gap = self.ptr.add(i);
            let value = gap.read();
            ptr::copy(gap.add(1).as_ptr(), gap.as_ptr(), self.len - i - 1);
            value
        };
        // INVARIANT: One element was removed.
        self.len -= 1;
        Ok(value)
    }

    /// Drops all elements and keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Drops the elements from index `len` on.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.about_to_write();
        let dropped =
            ptr::slice_from_raw_parts_mut(self.as_mut_ptr().wrapping_add(len), self.len - len);
        // INVARIANT: The elements from `len` on are dropped below.
        self.len = len;
        // SAFETY: These elements are valid, and `len` does not include them any more.
        unsafe { ptr::drop_in_place(dropped) };
    }

    /// Keeps the elements for which `f` returns true, in their order.
    pub fn retain(&mut self, mut f: impl FnMut(&mut T) -> bool) {
        let mut kept = 0;
        for i in 0..self.len {
            if f(&mut self[i]) {
                self.swap(kept, i);
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    fn has_block(&self) -> bool {
        self.capacity != 0
    }

    fn about_to_read(&self) {
        if self.has_block() {
            blocks::read(self.ptr.as_ptr() as usize);
        }
    }

    fn about_to_write(&self) {
        if self.has_block() {
            blocks::written(self.ptr.as_ptr() as usize);
        }
    }

    fn free_block(&mut self) {
        if self.has_block() {
            // SAFETY: By the type invariants, the block has this size; the caller replaces or forgets it.
            unsafe { heap::free(self.ptr.cast(), self.capacity * size_of::<T>()) };
        }
    }
}

impl<T: Clone, A: Allocator> Vec<T, A> {
    /// Creates a vector of `n` copies of `value`.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn from_elem(value: T, n: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut v = Self::with_capacity(n, flags)?;
        v.extend_with(n, value, flags)?;
        Ok(v)
    }

    /// Appends `n` copies of `value`.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the vector is unchanged.
    pub fn extend_with(&mut self, n: usize, value: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(n, flags)?;
        for _ in 0..n {
            self.push(value.clone(), flags)?;
        }
        Ok(())
    }

    /// Appends copies of all elements of `other`.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the vector is unchanged.
    pub fn extend_from_slice(&mut self, other: &[T], flags: Flags) -> Result<(), AllocError> {
        self.reserve(other.len(), flags)?;
        for item in other {
            self.push(item.clone(), flags)?;
        }
        Ok(())
    }

    /// Drops elements, or appends copies of `value`, until there are `new_len`.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the vector is unchanged.
    pub fn resize(&mut self, new_len: usize, value: T, flags: Flags) -> Result<(), AllocError> {
        match new_len.checked_sub(self.len) {
            Some(n) => self.extend_with(n, value, flags),
            None => {
                self.truncate(new_len);
                Ok(())
            }
        }
    }
}

impl<T, A: Allocator> Drop for Vec<T, A> {
    fn drop(&mut self) {
        self.truncate(0);
        self.free_block();
    }
}

impl<T, A: Allocator> Default for Vec<T, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug, A: Allocator> fmt::Debug for Vec<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T, A: Allocator> Deref for Vec<T, A> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.about_to_read();
        // SAFETY: By the type invariants, the first `len` elements are valid.
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl<T, A: Allocator> DerefMut for Vec<T, A> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.about_to_write();
        // SAFETY: By the type invariants, the first `len` elements are valid, and the vector owns them.
        unsafe { slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl<T, I: SliceIndex<[T]>, A: Allocator> Index<I> for Vec<T, A> {
    type Output = I::Output;

    fn index(&self, index: I) -> &Self::Output {
        &(**self)[index]
    }
}

impl<T, I: SliceIndex<[T]>, A: Allocator> IndexMut<I> for Vec<T, A> {
    fn index_mut(&mut self, index: I) -> &mut Self::Output {
        &mut (**self)[index]
    }
}

impl<T: Eq, A: Allocator> Eq for Vec<T, A> {}

macro_rules! impl_slice_eq {
    ($([$($vars:tt)*] $rhs:ty,)*) => {
        $(
            impl<T: PartialEq<U>, U, A: Allocator, $($vars)*> PartialEq<$rhs> for Vec<T, A> {
                fn eq(&self, other: &$rhs) -> bool {
                    self[..] == other[..]
                }
            }
        )*
    };
}

impl_slice_eq! {
    [B: Allocator] Vec<U, B>,
    [] [U],
    [] &[U],
    [const N: usize] [U; N],
    [const N: usize] &[U; N],
}

impl<'a, T, A: Allocator> IntoIterator for &'a Vec<T, A> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T, A: Allocator> IntoIterator for &'a mut Vec<T, A> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
