// SPDX-License-Identifier: GPL-2.0-only

//! Data that each network namespace has of its own.
//!
//! C headers: `include/net/net_namespace.h`, `include/net/netns/generic.h`.

use crate::bindings::{
    abstractions_net_generic, abstractions_net_user_ns, pernet_operations, register_pernet_subsys,
    unregister_pernet_subsys,
};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ptr;
use kernel::alloc::Flags;
use kernel::bindings::{init_user_ns, net};
use kernel::error::to_result;
use kernel::ffi::{c_int, c_uint};
use kernel::prelude::*;
use kernel::types::Opaque;

/// A network namespace that stays for `'a`.
#[derive(Clone, Copy)]
pub struct Net<'a> {
    net: *mut net,
    _stays: PhantomData<&'a net>,
}

impl Net<'_> {
    /// True if the initial user namespace owns it: capabilities over it are those over the machine.
    pub fn is_of_initial_user_namespace(self) -> bool {
        // SAFETY: alive, as the type says; a namespace's owner does not change.
        unsafe { abstractions_net_user_ns(self.net) == &raw mut init_user_ns }
    }

    /// # Safety
    ///
    /// `net` is alive for as long as the result is used.
    pub(crate) unsafe fn from_raw(net: *mut net) -> Self {
        Self {
            net,
            _stays: PhantomData,
        }
    }

    pub(crate) fn as_ptr(self) -> *mut net {
        self.net
    }
}

/// Under which number the kernel keeps one kind of data, while it is registered.
pub struct Id<T>(UnsafeCell<c_uint>, PhantomData<fn() -> T>);

// SAFETY: written by the registration only, before anybody reads it.
unsafe impl<T> Sync for Id<T> {}

impl<T> Id<T> {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(0), PhantomData)
    }
}

/// What a namespace has of its own. Made when the namespace is, or when the module is loaded, and
/// dropped with the namespace, or when the module goes. Both may sleep.
pub trait PerNet: Send + Sync + Sized + 'static {
    /// The one place for this type's number.
    fn id() -> &'static Id<Self>;

    /// Makes the data of one more namespace.
    ///
    /// # Errors
    ///
    /// The namespace is then not made, or the module not loaded.
    fn new() -> Result<Self>;
}

/// Keeps a `T` in each network namespace for as long as this lives.
///
/// # Invariants
///
/// `operations` are registered.
pub struct Registration<T: PerNet> {
    operations: KBox<Opaque<pernet_operations>>,
    _data: PhantomData<T>,
}

// SAFETY: may be unregistered by any thread; there is nothing to do with a shared one.
unsafe impl<T: PerNet> Send for Registration<T> {}
// SAFETY: as above.
unsafe impl<T: PerNet> Sync for Registration<T> {}

impl<T: PerNet> Registration<T> {
    /// Makes the data of all namespaces that there are. Once at a time for each `T`. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, or what [`PerNet::new`] says.
    pub fn new(flags: Flags) -> Result<Self> {
        // The kernel allocates it, aligned as kmalloc() does.
        const { assert!(align_of::<T>() <= align_of::<u64>()) };
        let operations = pernet_operations {
            init: Some(init::<T>),
            exit: Some(exit::<T>),
            id: T::id().0.get(),
            size: size_of::<T>(),
            ..pin_init::zeroed()
        };
        let operations = KBox::new(Opaque::new(operations), flags)?;
        // SAFETY: the operations stay where they are until they are unregistered.
        to_result(unsafe { register_pernet_subsys(operations.get()) })?;
        // INVARIANT: registered.
        Ok(Self {
            operations,
            _data: PhantomData,
        })
    }

    /// The data of a namespace.
    pub fn of<'a>(&'a self, net: Net<'a>) -> &'a T {
        // SAFETY: registered, as `self` shows.
        unsafe { data_of(net) }
    }
}

impl<T: PerNet> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: registered by the type's invariants, and unregistered once.
        unsafe { unregister_pernet_subsys(self.operations.get()) };
    }
}

/// The data of a namespace.
///
/// # Safety
///
/// A [`Registration`] of `T` is alive for as long as the result is used.
pub(crate) unsafe fn data_of<'a, T: PerNet>(net: Net<'a>) -> &'a T {
    // SAFETY: by this function's own requirement the number is set and the data of every namespace
    // that is alive was made by `init`; it stays as long as both.
    unsafe { &*abstractions_net_generic(net.net, *T::id().0.get()).cast::<T>() }
}

/// # Safety
///
/// To be called by the registered operations only.
unsafe extern "C" fn init<T: PerNet>(net: *mut net) -> c_int {
    match T::new() {
        Ok(data) => {
            // SAFETY: the kernel has allocated `size` bytes for this number, which nobody uses yet.
            unsafe {
                let place = abstractions_net_generic(net, *T::id().0.get()).cast::<T>();
                place.write(data);
            }
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// To be called by the registered operations only.
unsafe extern "C" fn exit<T: PerNet>(net: *mut net) {
    // SAFETY: made by `init`; the kernel exits a namespace once, when nobody is in it any more, or
    // when this is unregistered.
    unsafe {
        ptr::drop_in_place(abstractions_net_generic(net, *T::id().0.get()).cast::<T>());
    }
}
