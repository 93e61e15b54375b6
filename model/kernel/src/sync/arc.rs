// SPDX-License-Identifier: GPL-2.0-only

//! Counted references, as in the kernel's `rust/kernel/sync/arc.rs`.

use crate::alloc::{AllocError, Flags, KBox};
use crate::runtime::{atomic, blocks};
use std::marker::PhantomData;
use std::mem::{offset_of, ManuallyDrop};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

#[repr(C)]
struct ArcInner<T> {
    refcount: atomic::AtomicUsize,
    data: T,
}

impl<T> ArcInner<T> {
    /// Returns the block of a value.
    ///
    /// # Safety
    ///
    /// `data` points to the `data` field of a live `ArcInner`.
    unsafe fn container_of(data: *const T) -> NonNull<Self> {
        // SAFETY: By the safety requirements of this function, `data` is a field of an `ArcInner`, so the result
        // is in bounds of the same block.
        unsafe {
            let inner = data.byte_sub(offset_of!(Self, data)).cast::<Self>();
            NonNull::new_unchecked(inner.cast_mut())
        }
    }
}

/// A counted reference to a value on the heap.
///
/// # Invariants
///
/// The reference owns one of the count, which is not 0.
pub struct Arc<T> {
    ptr: NonNull<ArcInner<T>>,
    _owns: PhantomData<ArcInner<T>>,
}

// SAFETY: References on other threads give `&T`, for which `T` is `Sync`, and the last one drops the value,
// for which `T` is `Send`.
unsafe impl<T: Sync + Send> Send for Arc<T> {}
// SAFETY: A shared reference can be cloned on another thread, so the reasons for `Send` apply.
unsafe impl<T: Sync + Send> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// Moves `contents` to the heap and returns the first reference to it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; `contents` is dropped.
    pub fn new(contents: T, flags: Flags) -> Result<Self, AllocError> {
        let inner = KBox::new(
            ArcInner {
                refcount: atomic::AtomicUsize::new(1),
                data: contents,
            },
            flags,
        )?;
        // SAFETY: The pointer of a box is not null, and its count of 1 moves here.
        // INVARIANT: The count is 1.
        Ok(unsafe { Self::from_inner(NonNull::new_unchecked(KBox::into_raw(inner))) })
    }

    /// Creates a reference.
    ///
    /// # Safety
    ///
    /// One of the count of `ptr` moves here.
    unsafe fn from_inner(ptr: NonNull<ArcInner<T>>) -> Self {
        // INVARIANT: By the safety requirements of this function, one of the count moves here.
        Self {
            ptr,
            _owns: PhantomData,
        }
    }

    /// Gives up the reference without changing the count.
    pub fn into_raw(self) -> *const T {
        Self::as_ptr(&ManuallyDrop::new(self))
    }

    /// Returns a pointer to the value.
    pub fn as_ptr(this: &Self) -> *const T {
        // SAFETY: By the type invariants, the block is live.
        unsafe { &raw const (*this.ptr.as_ptr()).data }
    }

    /// Takes back a reference that was given up.
    ///
    /// # Safety
    ///
    /// `ptr` was returned by [`Self::into_raw`], whose count moves here.
    pub unsafe fn from_raw(ptr: *const T) -> Self {
        // SAFETY: By the safety requirements of this function, `ptr` is the value of an `ArcInner`, and one of
        // its count moves here.
        unsafe { Self::from_inner(ArcInner::container_of(ptr)) }
    }

    /// Borrows the reference, without taking a count.
    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        ArcBorrow {
            inner: self.ptr,
            _borrows: PhantomData,
        }
    }

    /// Tells whether both refer to the same value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.ptr == other.ptr
    }

    fn inner(&self) -> &ArcInner<T> {
        blocks::read(self.ptr.as_ptr() as usize);
        // SAFETY: By the type invariants, the block is live.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().data
    }
}

impl<T> AsRef<T> for Arc<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        // `refcount_inc()` has no ordering.
        let before = self.inner().refcount.fetch_add(1, Ordering::Relaxed);
        assert!(before != 0, "a reference was taken from a count of 0");
        // SAFETY: One was just added to the count.
        unsafe { Self::from_inner(self.ptr) }
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // `refcount_dec_and_test()` releases, and acquires if it gets to 0.
        if self.inner().refcount.fetch_sub(1, Ordering::Release) == 1 {
            atomic::fence(Ordering::Acquire);
            // SAFETY: The count is 0, so no other reference is left; the block was that of a box.
            drop(unsafe { KBox::from_raw(self.ptr.as_ptr()) });
        }
    }
}

/// A borrowed counted reference.
///
/// # Invariants
///
/// For `'a`, the count is not 0.
pub struct ArcBorrow<'a, T> {
    inner: NonNull<ArcInner<T>>,
    _borrows: PhantomData<&'a T>,
}

// SAFETY: A borrow can become an `Arc` on another thread, for which `T` is `Send` and `Sync`.
unsafe impl<T: Sync + Send> Send for ArcBorrow<'_, T> {}
// SAFETY: A shared borrow can become an `Arc` on another thread, for which `T` is both.
unsafe impl<T: Sync + Send> Sync for ArcBorrow<'_, T> {}

impl<T> ArcBorrow<'_, T> {
    /// Borrows a reference that [`Arc::into_raw`] gave up.
    ///
    /// # Safety
    ///
    /// The count stays above 0 for the lifetime that the caller chooses.
    pub unsafe fn from_raw(ptr: *const T) -> Self {
        // INVARIANT: By the safety requirements of this function, the count stays above 0 for `'a`.
        Self {
            // SAFETY: By the safety requirements of this function, `ptr` is the value of an `ArcInner`.
            inner: unsafe { ArcInner::container_of(ptr) },
            _borrows: PhantomData,
        }
    }
}

impl<T> Clone for ArcBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArcBorrow<'_, T> {}

impl<T> From<ArcBorrow<'_, T>> for Arc<T> {
    fn from(b: ArcBorrow<'_, T>) -> Self {
        // SAFETY: By the type invariants, the count is not 0; the temporary is not dropped, so it gives none up.
        Arc::clone(&ManuallyDrop::new(unsafe { Arc::from_inner(b.inner) }))
    }
}

impl<T> Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        blocks::read(self.inner.as_ptr() as usize);
        // SAFETY: By the type invariants, the block is live.
        unsafe { &self.inner.as_ref().data }
    }
}
