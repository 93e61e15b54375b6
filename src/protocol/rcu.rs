// SPDX-License-Identifier: GPL-2.0-only

//! RCU-protected pointers.
//!
//! The kernel's Rust crate has the read-side lock but no pointer type that goes with it. All `unsafe` code
//! of this crate is in this file and in [`grace_period`].
//!
//! # What the loom model does not say
//!
//! Loom checks this file against the C11 memory model; the kernel has its own, the LKMM
//! (`tools/memory-model/Documentation/`). They differ here in three points:
//!
//! - *Dependencies.* `rcu_dereference()` orders the load of a pointer before the loads through it by
//!   address dependency alone. C11 has no such order that compilers keep, so readers load with
//!   acquire, which both models know (`explanation.txt`, "DEPENDENCY RELATIONS").
//! - *Full ordering.* A read-modify-write that returns a value, such as `xchg()`, is fully ordered in
//!   the LKMM, which is stronger than C11's `AcqRel`. Publication needs its release half (the value
//!   before the pointer), the writer its acquire half (the old value's fields before they are dropped).
//! - *Grace periods.* The LKMM takes "a read-side critical section never spans a grace period" as an
//!   axiom (`explanation.txt`, "RCU RELATIONS"). The model builds exactly this from acquire and release
//!   on counters. The code uses one consequence: a reader that saw the old pointer ends before
//!   `synchronize_rcu()` returns or the callback of `call_rcu()` runs, and its accesses come before them.
//!
//! C header: `include/linux/rcupdate.h`; background: `Documentation/RCU/whatisRCU.rst`.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{offset_of, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::ptr;
use kernel::alloc::{AllocError, Flags};
use kernel::bindings;
use kernel::sync::atomic::{Acquire, Atomic, Full};
use kernel::sync::Arc;

pub use grace_period::{barrier, synchronize, GracePeriod};
pub use kernel::sync::rcu::{read_lock, Guard};

mod grace_period;

/// A value with the memory that RCU needs to reclaim it.
#[repr(C)]
struct Node<T> {
    /// Written by [`Retired::free_later`] only. The first field, so that its address is the node's.
    head: UnsafeCell<bindings::callback_head>,
    value: T,
}

// SAFETY: `T` is `Send`, and `head` is plain data, which the owner of the `Retired` hands over to RCU.
unsafe impl<T: Send + Sync> Send for Node<T> {}
// SAFETY: `T` is `Sync`, and shared references do not reach `head`: the owner of the `Retired` accesses it
// once, and then RCU alone does.
unsafe impl<T: Send + Sync> Sync for Node<T> {}

/// A value that is not published yet, with the memory that RCU needs to reclaim it later.
///
/// # Invariants
///
/// `self.0` is the only reference to its node.
pub struct RcuBox<T>(Arc<Node<T>>);

impl<T> RcuBox<T> {
    /// Allocates a node and moves `value` into it. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; `value` is dropped.
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        let node = Node {
            head: UnsafeCell::new(bindings::callback_head::default()),
            value,
        };
        // INVARIANT: The node was just allocated, so this reference is the only one.
        Ok(Self(Arc::new(node, flags)?))
    }
}

impl<T> RcuBox<T> {
    /// Gives the value up to a kernel data structure that readers walk under RCU.
    pub fn into_published(self) -> *const T {
        let node = Arc::into_raw(self.0);
        // SAFETY: `Arc::into_raw` returns a pointer to a live node, whose count now belongs to the caller, so
        // the field is in bounds.
        unsafe { &raw const (*node).value }
    }

    /// Takes a value back that readers cannot see any more.
    ///
    /// # Safety
    ///
    /// - `value` was returned by [`Self::into_published`] and has not been taken back since.
    /// - It is not published, and all readers that may have seen it have left their critical sections.
    pub unsafe fn from_published(value: *const T) -> Self {
        // SAFETY: By the safety requirements of this function, `value` is the value of a live node, and the
        // count that `into_published` gave up moves back here.
        // INVARIANT: That count was the only one when it was given up, and readers that might have taken
        // another have gone.
        Self(unsafe { Arc::from_raw(node_of(value)) })
    }
}

/// Returns the node of a value.
///
/// # Safety
///
/// `value` points to the value of a live node.
unsafe fn node_of<T>(value: *const T) -> *const Node<T> {
    // SAFETY: By the safety requirements of this function, `value` is a field of a node, so the pointer to
    // the node's begin is in bounds of the same allocation.
    unsafe { value.byte_sub(offset_of!(Node<T>, value)) }.cast()
}

impl<T> Deref for RcuBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> DerefMut for RcuBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        let node = Arc::as_ptr(&self.0).cast_mut();
        // SAFETY: By the type invariants, this is the only reference to the node, and it is borrowed mutably.
        unsafe { &mut (*node).value }
    }
}

/// A counted reference to a published value, which outlives the read-side critical section in which it
/// was taken, and the publication as well.
pub struct RcuArc<T>(Arc<Node<T>>);

impl<T> Deref for RcuArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A published value, borrowed by a reader for its read-side critical section `'g`.
pub struct Ref<'g, T> {
    node: &'g Node<T>,
}

impl<T> Clone for Ref<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<'_, T> {}

impl<'g, T> Ref<'g, T> {
    /// Returns the value, for the rest of the read-side critical section.
    pub fn get(self) -> &'g T {
        &self.node.value
    }

    /// Takes a counted reference. Does not sleep.
    pub fn to_arc(self) -> RcuArc<T> {
        let raw: *const Node<T> = self.node;
        // SAFETY: By the type invariants of `RcuPointer`, `raw` was returned by `Arc::into_raw`, and the count
        // that the pointer owned is dropped only a grace period after the pointer was replaced. `'g` is
        // within a read-side critical section that began before that, so the count is above zero. The
        // temporary is not dropped, so it does not give a count up.
        let published = ManuallyDrop::new(unsafe { Arc::from_raw(raw) });
        // mutant: count-reference
        RcuArc(Arc::clone(&published))
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.node.value
    }
}

/// A pointer that readers follow under RCU, to a value or to nothing.
///
/// A value begins as an [`RcuBox`], which its creator may still change. [`Self::replace`] publishes it in
/// one step. From then on readers see it, whole and unchanged, by [`Self::read`] under an RCU read-side
/// lock; they take no other lock and never wait. A writer that replaces the value gets the old one as a
/// [`Retired`]: readers may still use it, so it is dropped only after a grace period.
///
/// Several writers may call [`Self::replace`] and [`Self::compare_replace`] at the same time. Of a reader
/// and a writer that run at the same time, the reader sees the old value or the new one.
///
/// # Invariants
///
/// `pointer` is null, or was returned by `Arc::into_raw` for a node's only reference and owns that count.
///
/// # Examples
///
/// ```
/// use kernel::alloc::flags::GFP_KERNEL;
/// use protocol::rcu::{read_lock, RcuBox, RcuPointer};
///
/// let pointer = RcuPointer::empty();
/// let first = RcuBox::new("first", GFP_KERNEL).unwrap();
/// assert!(pointer.replace(Some(first)).is_none());
///
/// let guard = read_lock();
/// let seen = pointer.read(&guard).unwrap();
/// assert_eq!(*seen, "first");
/// let kept = seen.to_arc();
/// drop(guard);
///
/// let second = RcuBox::new("second", GFP_KERNEL).unwrap();
/// let retired = pointer.replace(Some(second)).unwrap();
/// // Waits for all readers that may still see "first".
/// drop(retired);
/// assert_eq!(*kept, "first", "a counted reference may be kept for longer");
/// assert_eq!(*pointer.read(&read_lock()).unwrap(), "second");
/// ```
pub struct RcuPointer<T> {
    pointer: Atomic<*mut Node<T>>,
    _owns: PhantomData<RcuBox<T>>,
}

// SAFETY: A shared pointer gives `&T` to readers, for which `T` is `Sync`, and a `Retired<T>`, which owns
// the value, to the writer that replaces it, for which `T` is `Send`.
unsafe impl<T: Send + Sync> Sync for RcuPointer<T> {}
// SAFETY: The pointer owns its value, and `T` is `Send`; readers on other threads may hold counted
// references to the value, for which `T` is `Sync`.
unsafe impl<T: Send + Sync> Send for RcuPointer<T> {}

impl<T: Send + Sync + 'static> RcuPointer<T> {
    /// Creates a pointer to nothing.
    pub fn empty() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            pointer: Atomic::new(ptr::null_mut()),
            _owns: PhantomData,
        }
    }

    /// Returns the current value. Takes no lock and does not sleep.
    pub fn read<'g>(&'g self, _guard: &'g Guard) -> Option<Ref<'g, T>> {
        // Pairs with the release half of `Full` in `replace`, so that the reader sees the value's fields as
        // they were published. `rcu_dereference()` relies on the address dependency, which is weaker and
        // which the Rust memory model does not have.
        // mutant: read
        let node = self.pointer.load(Acquire);
        // SAFETY: By the type invariants, the pointer is null or points to a node; the node is reclaimed only
        // a grace period after it was replaced, so it lives until `'g` ends.
        unsafe { node.as_ref() }.map(|node| Ref { node })
    }

    /// Publishes `new`, or nothing, in one step, and returns the replaced value. Does not sleep.
    pub fn replace(&self, new: Option<RcuBox<T>>) -> Option<Retired<T>> {
        // INVARIANT: By the type invariants of `RcuBox`, `new` is the only reference to its node; its count
        // moves into the pointer.
        // mutant: publish
        let old = self.pointer.xchg(into_raw(new), Full);
        // SAFETY: By the type invariants, `old` is null or the pointer owned a count of it, which the exchange
        // has moved here.
        unsafe { Retired::from_raw(old) }
    }

    /// Publishes `new` if the pointer still holds `found`, and returns the replaced value. `found` was
    /// read in the current read-side critical section, so its address cannot have been reused since. Does
    /// not sleep.
    ///
    /// # Errors
    ///
    /// Returns `new` if another writer replaced `found` first; the pointer is unchanged.
    pub fn compare_replace(
        &self,
        found: Option<Ref<'_, T>>,
        new: Option<RcuBox<T>>,
    ) -> Result<Option<Retired<T>>, Option<RcuBox<T>>> {
        let found = found.map_or(ptr::null_mut(), |found| {
            ptr::from_ref(found.node).cast_mut()
        });
        let new = into_raw(new);
        // INVARIANT: On success the only count of `new` moves into the pointer; on failure the pointer keeps
        // its own.
        // mutant: compare-and-publish
        match self.pointer.cmpxchg(found, new, Full) {
            // SAFETY: By the type invariants, `old` is null or the pointer owned a count of it, which the
            // exchange has moved here.
            Ok(old) => Ok(unsafe { Retired::from_raw(old) }),
            Err(_) if new.is_null() => Err(None),
            // SAFETY: `new` was returned by `into_raw` above and was not published, so its count is still
            // the caller's.
            // INVARIANT: For the same reason it is still the only reference.
            Err(_) => Err(Some(RcuBox(unsafe { Arc::from_raw(new) }))),
        }
    }
}

fn into_raw<T>(value: Option<RcuBox<T>>) -> *mut Node<T> {
    value.map_or(ptr::null_mut(), |value| Arc::into_raw(value.0).cast_mut())
}

impl<T> Drop for RcuPointer<T> {
    fn drop(&mut self) {
        let node = self.pointer.load(Acquire);
        if !node.is_null() {
            // SAFETY: By the type invariants, the pointer owns a count. Readers borrow the pointer while they
            // use the value, so none is left.
            drop(unsafe { Arc::from_raw(node) });
        }
    }
}

/// A value that is not published any more but that earlier readers may still use.
///
/// Dropping it waits for a grace period and may sleep; [`Self::free_later`] does not sleep.
#[must_use = "dropping it waits for a grace period"]
pub struct Retired<T> {
    node: Arc<Node<T>>,
}

impl<T> Retired<T> {
    /// Takes over the node that an [`RcuPointer`] pointed to.
    ///
    /// # Safety
    ///
    /// `node` is null, or was returned by `Arc::into_raw`, and the pointer's count of it moves here.
    unsafe fn from_raw(node: *mut Node<T>) -> Option<Self> {
        if node.is_null() {
            return None;
        }
        // SAFETY: By the safety requirements of this function, `node` is not null here, so its count moves
        // here.
        let node = unsafe { Arc::from_raw(node) };
        Some(Self { node })
    }

    /// Takes over a value that was unlinked from a kernel data structure that readers walk under RCU.
    ///
    /// # Safety
    ///
    /// `value` was returned by [`RcuBox::into_published`] and has not been taken over since; readers that
    /// begin from now on cannot reach it.
    pub unsafe fn from_published(value: *const T) -> Self {
        // SAFETY: By the safety requirements of this function, the count that `into_published` gave up moves
        // here.
        let node = unsafe { Arc::from_raw(node_of(value)) };
        Self { node }
    }
}

impl<T: Send + Sync + 'static> Retired<T> {
    /// Has RCU drop the value after a grace period. Does not sleep. `T`'s `Drop` runs in softirq context
    /// and must not sleep. A module must call [`barrier`] before it is unloaded.
    pub fn free_later(self) {
        // Its count moves to the callback.
        let this = ManuallyDrop::new(self);
        let node = Arc::as_ptr(&this.node);
        // SAFETY: A node is published only once, since `RcuPointer` takes an `RcuBox` and readers get an
        // `RcuArc`; so it is retired only once and its head is unused. The count that moves to the callback
        // keeps the node alive until then.
        // mutant: free-later
        unsafe { bindings::call_rcu((*node).head.get(), Some(free_node::<T>)) };
    }
}

impl<T> Deref for Retired<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.node.value
    }
}

impl<T> Drop for Retired<T> {
    fn drop(&mut self) {
        // mutant: wait-before-drop
        synchronize();
    }
}

/// Drops a node's count after a grace period.
///
/// # Safety
///
/// `head` is the first field of a `Node<T>`, and a count of that node moves here.
unsafe extern "C" fn free_node<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the safety requirements of this function; `Node` is `repr(C)` and `head` is its first field,
    // so the addresses are the same.
    drop(unsafe { Arc::from_raw(head.cast::<Node<T>>().cast_const()) });
}
