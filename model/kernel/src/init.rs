// SPDX-License-Identifier: GPL-2.0-only

//! Initializers. Those of the kernel build a value in its final place. A host's mutex may move until it is
//! used, so these return the value.

use crate::alloc::{AllocError, Flags};
use crate::error::{Error, Result};
use std::convert::Infallible;

/// Initializes a `T`, which is then pinned.
pub trait PinInit<T, E = Infallible>: Sized {
    #[doc(hidden)]
    fn make(self) -> Result<T, E>;
}

impl<T> PinInit<T> for T {
    fn make(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

/// Allocates and initializes in one step.
pub trait InPlaceInit<T>: Sized {
    /// The pinned form of `Self`.
    type PinnedSelf;

    /// Allocates and initializes, with an error type that includes exhausted memory.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the initializer fails.
    fn try_pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::PinnedSelf, E>
    where
        E: From<AllocError>;

    /// Allocates and initializes.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the initializer fails.
    fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::PinnedSelf>
    where
        Error: From<E>,
    {
        struct Converted<I, E>(I, std::marker::PhantomData<E>);

        impl<T, E, I: PinInit<T, E>> PinInit<T, Error> for Converted<I, E>
        where
            Error: From<E>,
        {
            fn make(self) -> Result<T> {
                Ok(self.0.make()?)
            }
        }

        Self::try_pin_init::<Error>(Converted::<_, E>(init, std::marker::PhantomData), flags)
    }
}
