// SPDX-License-Identifier: GPL-2.0-only

//! RCU-protected pointers.
//!
//! The kernel's Rust crate has the read-side lock but no pointer type to go with it. This file holds
//! all of the crate's `unsafe`.
//!
//! A value starts as an [`RcuBox`], owned by one. [`RcuPointer::replace`] publishes it; from then on
//! readers follow the pointer under an RCU read-side lock and see the value whole. What was there
//! before comes back as [`Retired`]: readers may still be looking at it, so it is dropped only after
//! a grace period.
//!
//! # What the loom model does not say
//!
//! Loom checks this file against the C11 memory model; the kernel has its own, the LKMM
//! (`tools/memory-model/Documentation/`). They differ here in three points:
//!
//! - *Dependencies.* `rcu_dereference()` orders the load of a pointer before the loads through it by
//!   address dependency alone. C11 has no such order that compilers keep, so readers load with
//!   acquire, which both models know (`explanation.txt`, "DEPENDENCY RELATIONS").
//! - *Full ordering.* A value-returning read-modify-write such as `xchg()` is fully ordered in the
//!   LKMM, more than C11's `AcqRel`. Publication needs its release half (the value before the
//!   pointer), the writer its acquire half (the old value's fields before they are dropped).
//! - *Grace periods.* The LKMM takes "a read-side critical section never spans a grace period" as an
//!   axiom (`explanation.txt`, "RCU RELATIONS"). The model builds it from acquire and release on
//!   counters, and no stronger. What is used of it: a reader that saw the old pointer ends before
//!   `synchronize_rcu()` returns, or the callback of `call_rcu()` runs; its accesses come before them.
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

pub use kernel::sync::rcu::{read_lock, Guard};

/// A value together with what RCU needs to reclaim it.
#[repr(C)]
struct Node<T> {
    /// Written by [`Retired::free_later`] only. First, so that the callback finds the node by it.
    head: UnsafeCell<bindings::callback_head>,
    value: T,
}

// SAFETY: `head` is only touched by the one owner of a `Retired`, and then by RCU alone.
unsafe impl<T: Send + Sync> Send for Node<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Node<T> {}

/// A value that no reader can see yet.
///
/// # Invariants
///
/// The only reference to its node.
pub struct RcuBox<T>(Arc<Node<T>>);

impl<T> RcuBox<T> {
    /// Allocates room for `value` and moves it there. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory, `value` is dropped.
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        let node = Node {
            head: UnsafeCell::new(bindings::callback_head::default()),
            value,
        };
        // INVARIANT: just allocated, shared with nobody.
        Ok(Self(Arc::new(node, flags)?))
    }
}

impl<T> RcuBox<T> {
    /// Gives the value up to a structure of the kernel's that readers walk under RCU.
    pub fn into_published(self) -> *const T {
        let node = Arc::into_raw(self.0);
        // SAFETY: in bounds of the node, which is alive: its count was just given up to the caller.
        unsafe { &raw const (*node).value }
    }

    /// Takes a value back that no reader can see any more.
    ///
    /// # Safety
    ///
    /// `value` came from [`Self::into_published`], is not published now, and all readers that may
    /// have seen it are done. Called once.
    pub unsafe fn from_published(value: *const T) -> Self {
        // SAFETY: by this function's own requirement the pointer is to the value of a node whose
        // count moves back here.
        // INVARIANT: it was the only count when it was given up.
        Self(unsafe { Arc::from_raw(node_of(value)) })
    }
}

/// # Safety
///
/// `value` points to the value of a live node.
unsafe fn node_of<T>(value: *const T) -> *const Node<T> {
    // SAFETY: by this function's own requirement, still within the node.
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
        // SAFETY: by the type's invariants this is the only reference to the node.
        unsafe { &mut (*node).value }
    }
}

/// A counted reference to a published value: it outlives the read-side lock under which it was taken,
/// and the publication too.
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

/// A value as a reader sees it, for as long as the read-side lock `'g` is held.
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
    /// The value, for the whole of the read-side critical section.
    pub fn get(self) -> &'g T {
        &self.node.value
    }

    /// Takes a counted reference. Does not sleep.
    pub fn to_arc(self) -> RcuArc<T> {
        let raw: *const Node<T> = self.node;
        // SAFETY: `raw` came from `Arc::into_raw` in `RcuPointer`, which holds a count until a grace
        // period after it let go of the pointer, and `'g` is within a read-side critical section
        // that began before: the count is above zero.
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

/// A pointer that readers follow under RCU, to a value or to none.
///
/// # Invariants
///
/// `pointer` is null or came from `Arc::into_raw` of a node's only reference, and owns that count.
pub struct RcuPointer<T> {
    pointer: Atomic<*mut Node<T>>,
    _owns: PhantomData<RcuBox<T>>,
}

// SAFETY: a shared pointer hands out `&T` to readers and `Retired<T>`, which owns `T`, to whoever
// replaces the value.
unsafe impl<T: Send + Sync> Sync for RcuPointer<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for RcuPointer<T> {}

impl<T: Send + Sync + 'static> RcuPointer<T> {
    /// A pointer to nothing.
    pub fn empty() -> Self {
        // INVARIANT: null.
        Self {
            pointer: Atomic::new(ptr::null_mut()),
            _owns: PhantomData,
        }
    }

    /// The value at this moment. Takes no lock, does not sleep.
    pub fn read<'g>(&'g self, _guard: &'g Guard) -> Option<Ref<'g, T>> {
        // Pairs with the release half of `Full` in `replace`: the value's fields are seen as they
        // were when it was published. `rcu_dereference()` gets by with less, address dependency,
        // which the Rust memory model does not have.
        // mutant: read
        let node = self.pointer.load(Acquire);
        // SAFETY: by the type's invariants the pointer is null or to a live node; the node is
        // reclaimed only a grace period after it was unpublished, so not before `'g` ends.
        unsafe { node.as_ref() }.map(|node| Ref { node })
    }

    /// Publishes `new` in one step, or nothing, and gives back what was there.
    pub fn replace(&self, new: Option<RcuBox<T>>) -> Option<Retired<T>> {
        // INVARIANT: an `RcuBox` is the only reference, which moves into the pointer.
        // mutant: publish
        let old = self.pointer.xchg(into_raw(new), Full);
        // SAFETY: `old` was this pointer's, which has just let go of it.
        unsafe { Retired::from_raw(old) }
    }

    /// Publishes `new` if the pointer still holds what a reader found there under the same read-side
    /// lock (which rules out that it was replaced and its address used again).
    ///
    /// # Errors
    ///
    /// Gives `new` back if another writer came first.
    pub fn compare_replace(
        &self,
        found: Option<Ref<'_, T>>,
        new: Option<RcuBox<T>>,
    ) -> Result<Option<Retired<T>>, Option<RcuBox<T>>> {
        let found = found.map_or(ptr::null_mut(), |found| {
            ptr::from_ref(found.node).cast_mut()
        });
        let new = into_raw(new);
        // INVARIANT: as in `replace`; on failure the pointer keeps its node.
        // mutant: compare-and-publish
        match self.pointer.cmpxchg(found, new, Full) {
            // SAFETY: `old` was this pointer's, which has just let go of it.
            Ok(old) => Ok(unsafe { Retired::from_raw(old) }),
            Err(_) if new.is_null() => Err(None),
            // SAFETY: `new` came from `into_raw` above and was not published.
            // INVARIANT: so it still is the only reference.
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
            // SAFETY: by the type's invariants the pointer owns a count. Readers borrow the pointer
            // for as long as they look, so there is none left.
            drop(unsafe { Arc::from_raw(node) });
        }
    }
}

/// A value that is no longer published, but that readers who came before may still see.
///
/// Dropping it waits for a grace period: may sleep. [`Self::free_later`] does not.
#[must_use = "dropping it waits for a grace period"]
pub struct Retired<T> {
    node: Arc<Node<T>>,
}

impl<T> Retired<T> {
    /// # Safety
    ///
    /// `node` is null, or an [`RcuPointer`]'s count of it moves to the caller.
    unsafe fn from_raw(node: *mut Node<T>) -> Option<Self> {
        if node.is_null() {
            return None;
        }
        // SAFETY: by this function's own requirement.
        let node = unsafe { Arc::from_raw(node) };
        Some(Self { node })
    }

    /// Takes over a value that was just unlinked from a structure that readers walk under RCU.
    ///
    /// # Safety
    ///
    /// `value` came from [`RcuBox::into_published`], and readers that begin now cannot reach it.
    /// Called once.
    pub unsafe fn from_published(value: *const T) -> Self {
        // SAFETY: by this function's own requirement the count given up there moves here.
        let node = unsafe { Arc::from_raw(node_of(value)) };
        Self { node }
    }
}

impl<T: Send + Sync + 'static> Retired<T> {
    /// Lets RCU drop the value after a grace period. Does not sleep; `T`'s `Drop` runs in softirq
    /// context and must not sleep either. A module must call [`barrier`] before it goes.
    pub fn free_later(self) {
        // Not dropped: its count goes to the callback.
        let this = ManuallyDrop::new(self);
        let node = Arc::as_ptr(&this.node);
        // SAFETY: a node is published once (`RcuPointer` takes an `RcuBox`, readers get `RcuArc`) and
        // so retired once: its head is unused. The count that the callback takes over keeps it.
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

/// # Safety
///
/// `head` is the first field of a `Node<T>`, and a count of that node is handed over.
unsafe extern "C" fn free_node<T>(head: *mut bindings::callback_head) {
    // SAFETY: by this function's own requirement; `Node` is `repr(C)` with `head` first.
    drop(unsafe { Arc::from_raw(head.cast::<Node<T>>().cast_const()) });
}

/// Waits until all readers of now are done. May sleep.
pub fn synchronize() {
    // SAFETY: no requirement but that the caller may sleep and is in no read-side critical section,
    // which a `Guard` held here would deadlock on but not make unsound.
    unsafe { bindings::synchronize_rcu() };
}

/// A grace period that begins after it was asked for.
#[derive(Clone, Copy)]
pub struct GracePeriod(usize);

impl GracePeriod {
    /// The next one. Starts nothing, does not sleep.
    pub fn next() -> Self {
        // SAFETY: no requirements.
        Self(unsafe { bindings::get_state_synchronize_rcu() })
    }

    /// Its number, to be kept.
    pub fn into_raw(self) -> usize {
        self.0
    }

    /// The one with this number.
    pub fn from_raw(number: usize) -> Self {
        Self(number)
    }

    /// Waits until it is over, if it is not. May sleep.
    pub fn wait(self) {
        // SAFETY: no requirements.
        if !unsafe { bindings::poll_state_synchronize_rcu(self.0) } {
            synchronize();
        }
    }
}

/// Waits until all that was handed to [`Retired::free_later`] has been dropped. May sleep.
pub fn barrier() {
    // SAFETY: no requirement but that the caller may sleep.
    // mutant: barrier
    unsafe { bindings::rcu_barrier() };
}
