// SPDX-License-Identifier: GPL-2.0-only

//! Spinlocks of which many are held at a time, in ascending order.
//!
//! C headers: `include/linux/spinlock.h`, `include/linux/lockdep.h`.

use crate::bindings::{
    abstractions_innermost_lock_init, abstractions_stripe_lock, abstractions_stripe_lock_in_order,
    abstractions_stripe_lock_init, abstractions_stripe_order_begin, abstractions_stripe_order_end,
    abstractions_stripe_unlock,
};
use core::marker::PhantomData;
use kernel::bindings::spinlock_t;
use kernel::types::Opaque;
use protocol::store::stripes::Lock;

/// One of the locks.
pub struct StripeLock(Opaque<spinlock_t>);

// SAFETY: locks are for sharing.
unsafe impl Send for StripeLock {}
// SAFETY: as above.
unsafe impl Sync for StripeLock {}

/// Evidence that a lock is held by this thread.
pub struct Guard<'l> {
    lock: &'l StripeLock,
    _thread: PhantomData<*mut ()>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: held, as this value shows.
        unsafe { abstractions_stripe_unlock(self.lock.0.get()) };
    }
}

/// Evidence that this thread takes its locks in ascending order; for lockdep.
pub struct Order(PhantomData<*mut ()>);

impl Drop for Order {
    fn drop(&mut self) {
        // SAFETY: begun by this thread, as this value shows.
        unsafe { abstractions_stripe_order_end() };
    }
}

impl StripeLock {
    /// # Safety
    ///
    /// `init` initializes a lock.
    unsafe fn initialized(init: unsafe extern "C" fn(*mut spinlock_t)) -> Self {
        let lock = Opaque::uninit();
        // SAFETY: room for a lock. It moves from here only as long as it is not shared, so never while
        // it is held or waited for; free, it does not say where it is.
        unsafe { init(lock.get()) };
        Self(lock)
    }
}

impl Lock for StripeLock {
    type Guard<'l> = Guard<'l>;
    type Order = Order;

    fn new() -> Self {
        // SAFETY: as `initialized` asks for.
        unsafe { Self::initialized(abstractions_stripe_lock_init) }
    }

    fn innermost() -> Self {
        // SAFETY: as `initialized` asks for.
        unsafe { Self::initialized(abstractions_innermost_lock_init) }
    }

    fn lock(&self) -> Guard<'_> {
        // SAFETY: initialized when it was made.
        unsafe { abstractions_stripe_lock(self.0.get()) };
        Guard {
            lock: self,
            _thread: PhantomData,
        }
    }

    fn in_order() -> Order {
        // SAFETY: ended when the result is dropped.
        unsafe { abstractions_stripe_order_begin() };
        Order(PhantomData)
    }

    fn lock_next<'l>(&'l self, _order: &'l Order) -> Guard<'l> {
        // SAFETY: initialized when it was made; the order is this thread's.
        unsafe { abstractions_stripe_lock_in_order(self.0.get()) };
        Guard {
            lock: self,
            _thread: PhantomData,
        }
    }
}
