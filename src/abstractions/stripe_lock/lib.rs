// SPDX-License-Identifier: GPL-2.0-only

//! Spinlocks of which a thread holds many at a time, in ascending order.
//!
//! lockdep cannot see that order, so it is told of it by [`StripeOrder`].
//!
//! C headers: `include/linux/spinlock.h`, `include/linux/lockdep.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

use abstractions::bindings::{
    abstractions_innermost_lock_init, abstractions_stripe_lock, abstractions_stripe_lock_in_order,
    abstractions_stripe_lock_init, abstractions_stripe_order_begin, abstractions_stripe_order_end,
    abstractions_stripe_unlock,
};
use kernel::bindings::spinlock_t;
use kernel::types::{NotThreadSafe, Opaque};
use protocol::store::stripes::Lock;

/// A spinlock of one of two lock classes: that of stripes, or that of locks which are taken last.
///
/// Unlike the locks of the kernel crate, it is not pinned: the generic code in `protocol` keeps it in a vector. That
/// is sound because a lock is moved only while it is owned, so never while it is held or waited for, and an
/// unlocked `spinlock_t` contains no pointer to itself.
///
/// # Invariants
///
/// The lock is initialized.
pub struct StripeLock(Opaque<spinlock_t>);

// SAFETY: Only an owned lock moves to another thread, and an owned lock is not held.
unsafe impl Send for StripeLock {}
// SAFETY: A spinlock may be taken and waited for by all threads.
unsafe impl Sync for StripeLock {}

/// The classes of locks that lockdep tells apart.
enum LockClass {
    Stripe,
    Innermost,
}

impl StripeLock {
    fn of_class(class: LockClass) -> Self {
        let lock = Opaque::uninit();
        // SAFETY: `lock` has room for a spinlock.
        unsafe {
            match class {
                LockClass::Stripe => abstractions_stripe_lock_init(lock.get()),
                LockClass::Innermost => abstractions_innermost_lock_init(lock.get()),
            }
        }
        // INVARIANT: The lock was initialized above, and is unlocked while it moves from here.
        Self(lock)
    }
}

/// A lock that the calling thread holds.
///
/// # Invariants
///
/// The calling thread holds `lock`.
#[must_use = "the lock is released when the guard is dropped"]
pub struct StripeGuard<'l> {
    lock: &'l StripeLock,
    _not_send: NotThreadSafe,
}

impl Drop for StripeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock.
        unsafe { abstractions_stripe_unlock(self.lock.0.get()) };
    }
}

/// A section in which the calling thread takes stripe locks in ascending order. It exists for lockdep alone.
///
/// # Invariants
///
/// The calling thread has begun the section.
#[must_use = "the section ends when the value is dropped"]
pub struct StripeOrder(NotThreadSafe);

impl Drop for StripeOrder {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread has begun the section, and this ends it once.
        unsafe { abstractions_stripe_order_end() };
    }
}

impl Lock for StripeLock {
    type Guard<'l> = StripeGuard<'l>;
    type Order = StripeOrder;

    fn new() -> Self {
        Self::of_class(LockClass::Stripe)
    }

    fn innermost() -> Self {
        Self::of_class(LockClass::Innermost)
    }

    #[inline]
    fn lock(&self) -> StripeGuard<'_> {
        // SAFETY: By the type invariants, the lock is initialized.
        unsafe { abstractions_stripe_lock(self.0.get()) };
        // INVARIANT: The lock was just taken.
        StripeGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    #[inline]
    fn in_order() -> StripeOrder {
        // SAFETY: An FFI call with no additional requirements. The section is ended when the result is dropped.
        unsafe { abstractions_stripe_order_begin() };
        // INVARIANT: The section was just begun.
        StripeOrder(NotThreadSafe)
    }

    #[inline]
    fn lock_next<'l>(&'l self, _order: &'l StripeOrder) -> StripeGuard<'l> {
        // SAFETY: By the type invariants, the lock is initialized; the section, which the calling thread has
        // begun, outlives the guard.
        unsafe { abstractions_stripe_lock_in_order(self.0.get()) };
        // INVARIANT: The lock was just taken.
        StripeGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }
}
