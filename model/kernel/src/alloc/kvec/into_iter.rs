// SPDX-License-Identifier: GPL-2.0-only

//! Arrays by value.

use super::Vec;
use crate::alloc::Allocator;
use std::mem;

/// Moves the elements out of an array.
///
/// # Invariants
///
/// Of `vec`, which has length 0, the elements from `next` up to `end` are still valid.
pub struct IntoIter<T, A: Allocator> {
    vec: Vec<T, A>,
    next: usize,
    end: usize,
}

impl<T, A: Allocator> IntoIterator for Vec<T, A> {
    type Item = T;
    type IntoIter = IntoIter<T, A>;

    fn into_iter(mut self) -> IntoIter<T, A> {
        let end = mem::take(&mut self.len);
        // INVARIANT: all elements are the iterator's now.
        IntoIter {
            vec: self,
            next: 0,
            end,
        }
    }
}

impl<T, A: Allocator> Iterator for IntoIter<T, A> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == self.end {
            return None;
        }
        self.vec.about_to_read();
        // SAFETY: By the type invariants, the element is valid; `next` moves on, so it is read only once.
        let value = unsafe { self.vec.ptr.add(self.next).read() };
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<T, A: Allocator> Drop for IntoIter<T, A> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
