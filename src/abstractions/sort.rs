// SPDX-License-Identifier: GPL-2.0-only

//! Sorting by the kernel's heap sort.
//!
//! The sorts of `core` may panic if an ordering is inconsistent, and a panic takes the machine down; the kernel's
//! sort then returns the elements in some order.
//!
//! C header: `include/linux/sort.h`.

use crate::bindings;
use core::cmp::Ordering;
use core::ptr;
use kernel::ffi::{c_int, c_void};

/// Sorts elements by a key. Elements with equal keys may come in any order. May sleep.
pub fn sort_by_key<T, K: Ord, F: Fn(&T) -> K>(elements: &mut [T], key: F) {
    // SAFETY: Base, number and size are those of the slice, whose elements the C code compares and swaps by their
    // bytes. `compare` is called with pointers to elements and the closure, as it requires.
    unsafe {
        bindings::sort_r_nonatomic(
            elements.as_mut_ptr().cast(),
            elements.len(),
            size_of::<T>(),
            Some(compare::<T, K, F>),
            None,
            ptr::from_ref(&key).cast(),
        )
    }
}

/// # Safety
///
/// `a` and `b` point to elements of type `T`, and `key` to a closure of type `F`.
unsafe extern "C" fn compare<T, K: Ord, F: Fn(&T) -> K>(
    a: *const c_void,
    b: *const c_void,
    key: *const c_void,
) -> c_int {
    // SAFETY: By the safety requirements of this function, the pointers are valid and of these types.
    let (a, b, key) = unsafe { (&*a.cast::<T>(), &*b.cast::<T>(), &*key.cast::<F>()) };
    match key(a).cmp(&key(b)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}
