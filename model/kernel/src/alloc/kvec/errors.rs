// SPDX-License-Identifier: GPL-2.0-only

//! Errors other than exhausted memory, as in the kernel's `rust/kernel/alloc/kvec/errors.rs`.

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

/// The index is not below the length of the vector.
#[derive(Debug)]
pub struct RemoveError;

impl From<RemoveError> for Error {
    fn from(_: RemoveError) -> Self {
        EINVAL
    }
}
