// SPDX-License-Identifier: GPL-2.0-only

//! Atomics, as in the kernel's `rust/kernel/sync/atomic.rs`.
//!
//! `Full` is `SeqCst` here, which is weaker than the kernel's full ordering: what holds here holds there.

use crate::runtime::atomic as host;
use std::fmt;
use std::sync::atomic::Ordering as HostOrdering;

pub use ordering::{Acquire, Full, Relaxed, Release};

/// Memory orderings, as types.
pub mod ordering {
    use super::HostOrdering;

    /// Orders nothing.
    pub struct Relaxed;
    /// Orders a load before all later accesses.
    pub struct Acquire;
    /// Orders all earlier accesses before a store.
    pub struct Release;
    /// Orders all earlier accesses before a read-modify-write, and this before all later ones.
    pub struct Full;

    mod internal {
        pub trait Sealed {}
    }

    /// An ordering of a read-modify-write.
    pub trait Ordering: internal::Sealed {
        #[doc(hidden)]
        const HOST: HostOrdering;
    }

    /// An ordering of a load.
    pub trait AcquireOrRelaxed: Ordering {}
    /// An ordering of a store.
    pub trait ReleaseOrRelaxed: Ordering {}

    macro_rules! ordering {
        ($($name:ident = $host:ident: $($bound:ident),*;)*) => {
            $(
                impl internal::Sealed for $name {}
                impl Ordering for $name {
                    const HOST: HostOrdering = HostOrdering::$host;
                }
                $(impl $bound for $name {})*
            )*
        };
    }

    ordering! {
        Relaxed = Relaxed: AcquireOrRelaxed, ReleaseOrRelaxed;
        Acquire = Acquire: AcquireOrRelaxed;
        Release = Release: ReleaseOrRelaxed;
        Full = SeqCst:;
    }
}

use ordering::{AcquireOrRelaxed, Ordering, ReleaseOrRelaxed};

/// A type that atomics can hold.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe trait AtomicType: Copy {
    #[doc(hidden)]
    type Cell;
    #[doc(hidden)]
    fn cell(self) -> Self::Cell;
    #[doc(hidden)]
    fn load(cell: &Self::Cell, order: HostOrdering) -> Self;
    #[doc(hidden)]
    fn store(cell: &Self::Cell, value: Self, order: HostOrdering);
    #[doc(hidden)]
    fn swap(cell: &Self::Cell, value: Self, order: HostOrdering) -> Self;
    #[doc(hidden)]
    fn compare_exchange(
        cell: &Self::Cell,
        old: Self,
        new: Self,
        order: HostOrdering,
    ) -> Result<Self, Self>;
}

/// A type that can be added to.
///
/// # Safety
///
/// None here. `unsafe` as in the kernel.
pub unsafe trait AtomicAdd: AtomicType {
    #[doc(hidden)]
    fn fetch_add(cell: &Self::Cell, value: Self, order: HostOrdering) -> Self;
    #[doc(hidden)]
    fn fetch_sub(cell: &Self::Cell, value: Self, order: HostOrdering) -> Self;
}

/// What a failed exchange orders.
fn on_failure(order: HostOrdering) -> HostOrdering {
    match order {
        HostOrdering::SeqCst => HostOrdering::SeqCst,
        HostOrdering::Acquire | HostOrdering::AcqRel => HostOrdering::Acquire,
        _ => HostOrdering::Relaxed,
    }
}

macro_rules! atomic_type {
    ([$($vars:tt)*] $type:ty, $cell:ty) => {
        // SAFETY: nothing is required.
        unsafe impl<$($vars)*> AtomicType for $type {
            type Cell = $cell;

            fn cell(self) -> Self::Cell {
                <$cell>::new(self)
            }

            fn load(cell: &Self::Cell, order: HostOrdering) -> Self {
                cell.load(order)
            }

            fn store(cell: &Self::Cell, value: Self, order: HostOrdering) {
                cell.store(value, order);
            }

            fn swap(cell: &Self::Cell, value: Self, order: HostOrdering) -> Self {
                cell.swap(value, order)
            }

            fn compare_exchange(
                cell: &Self::Cell,
                old: Self,
                new: Self,
                order: HostOrdering,
            ) -> Result<Self, Self> {
                cell.compare_exchange(old, new, order, on_failure(order))
            }
        }
    };
}

macro_rules! atomic_integer {
    ($($type:ty, $cell:ty;)*) => {
        $(
            atomic_type!([] $type, $cell);

            // SAFETY: nothing is required.
            unsafe impl AtomicAdd for $type {
                fn fetch_add(cell: &Self::Cell, value: Self, order: HostOrdering) -> Self {
                    cell.fetch_add(value, order)
                }

                fn fetch_sub(cell: &Self::Cell, value: Self, order: HostOrdering) -> Self {
                    cell.fetch_sub(value, order)
                }
            }
        )*
    };
}

atomic_integer! {
    i32, host::AtomicI32;
    i64, host::AtomicI64;
    isize, host::AtomicIsize;
    u32, host::AtomicU32;
    u64, host::AtomicU64;
    usize, host::AtomicUsize;
}
atomic_type!([] bool, host::AtomicBool);
atomic_type!([T] *mut T, host::AtomicPtr<T>);

/// A value that is accessed atomically.
pub struct Atomic<T: AtomicType>(T::Cell);

// SAFETY: all accesses are atomic; a pointer is given to other threads as a mere value, as in the
// kernel.
unsafe impl<T: AtomicType> Send for Atomic<T> {}
// SAFETY: All accesses are atomic, so values may be exchanged between threads by a shared reference.
unsafe impl<T: AtomicType> Sync for Atomic<T> {}

impl<T: AtomicType> Atomic<T> {
    /// An atomic that holds `v`. (`const` in the kernel, which loom's atomics cannot be.)
    pub fn new(v: T) -> Self {
        Self(v.cell())
    }

    /// Loads the value.
    pub fn load<O: AcquireOrRelaxed>(&self, _: O) -> T {
        T::load(&self.0, O::HOST)
    }

    /// Stores a value.
    pub fn store<O: ReleaseOrRelaxed>(&self, v: T, _: O) {
        T::store(&self.0, v, O::HOST);
    }

    /// Writes and returns what was there.
    pub fn xchg<O: Ordering>(&self, v: T, _: O) -> T {
        T::swap(&self.0, v, O::HOST)
    }

    /// Writes `new` if `old` is there, and returns what was there. Orders only if it writes.
    ///
    /// # Errors
    ///
    /// What is there instead of `old`.
    pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, _: O) -> Result<T, T> {
        T::compare_exchange(&self.0, old, new, O::HOST)
    }
}

impl<T: AtomicAdd> Atomic<T> {
    /// Adds, wrapping around.
    pub fn add(&self, v: T, _: Relaxed) {
        T::fetch_add(&self.0, v, Relaxed::HOST);
    }

    /// Adds, wrapping around, and returns what was there.
    pub fn fetch_add<O: Ordering>(&self, v: T, _: O) -> T {
        T::fetch_add(&self.0, v, O::HOST)
    }

    /// Subtracts, wrapping around, and returns what was there.
    pub fn fetch_sub<O: Ordering>(&self, v: T, _: O) -> T {
        T::fetch_sub(&self.0, v, O::HOST)
    }
}

impl<T: AtomicType + fmt::Debug> fmt::Debug for Atomic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.load(Relaxed), f)
    }
}
