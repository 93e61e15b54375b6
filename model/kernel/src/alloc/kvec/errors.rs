// SPDX-License-Identifier: GPL-2.0-only

//! What can go wrong without memory being short, as in the kernel's `rust/kernel/alloc/kvec/errors.rs`.

use crate::error::{code::EINVAL, Error};
use std::fmt;

/// The array is full, and its element comes back.
pub struct PushError<T>(pub T);

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Not enough capacity")
    }
}

impl<T> From<PushError<T>> for Error {
    fn from(_: PushError<T>) -> Self {
        EINVAL
    }
}

/// There is no such element.
#[derive(Debug)]
pub struct RemoveError;

impl From<RemoveError> for Error {
    fn from(_: RemoveError) -> Self {
        EINVAL
    }
}
