// SPDX-License-Identifier: GPL-2.0-only

//! Sorting.
//!
//! The sorts of `core` panic when an ordering contradicts itself, and a panic takes the machine down;
//! the kernel's heap sort does not care.
//!
//! C header: `include/linux/sort.h`.

use crate::bindings;
use core::cmp::Ordering;
use core::ptr;
use kernel::ffi::{c_int, c_void};

/// Sorts by a key, equal elements in any order. May sleep.
pub fn sort_by_key<T, K: Ord, F: Fn(&T) -> K>(elements: &mut [T], key: F) {
    // SAFETY: base, number and size are those of the slice, whose elements the C code compares and
    // swaps bytewise; the comparison gets the closure that it expects.
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
/// `a` and `b` point to elements, `key` to the closure.
unsafe extern "C" fn compare<T, K: Ord, F: Fn(&T) -> K>(
    a: *const c_void,
    b: *const c_void,
    key: *const c_void,
) -> c_int {
    // SAFETY: by this function's own requirement.
    let (a, b, key) = unsafe { (&*a.cast::<T>(), &*b.cast::<T>(), &*key.cast::<F>()) };
    match key(a).cmp(&key(b)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}
