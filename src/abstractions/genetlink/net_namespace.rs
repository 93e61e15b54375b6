// SPDX-License-Identifier: GPL-2.0-only

//! Data that each network namespace has of its own.
//!
//! C headers: `include/net/net_namespace.h`, `include/net/netns/generic.h`.

use abstractions::bindings::{
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
use kernel::sync::atomic::{Acquire, Atomic, Release};
use kernel::types::Opaque;

/// A network namespace that is alive for `'a`.
///
/// # Invariants
///
/// `net` is alive for `'a`.
#[derive(Clone, Copy)]
pub struct Net<'a> {
    net: *mut net,
    _stays: PhantomData<&'a net>,
}

impl Net<'_> {
    /// Returns true if the initial user namespace owns this namespace, so that capabilities over it are
    /// capabilities over the machine.
    pub fn is_of_initial_user_namespace(self) -> bool {
        // SAFETY: By the type invariants, the namespace is alive, and its owner does not change.
        unsafe { abstractions_net_user_ns(self.net) == &raw mut init_user_ns }
    }

    /// # Safety
    ///
    /// `net` is alive for the lifetime of the result.
    pub(crate) unsafe fn from_raw(net: *mut net) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            net,
            _stays: PhantomData,
        }
    }

    /// Returns the namespace as the C API wants it.
    pub(crate) fn as_ptr(self) -> *mut net {
        self.net
    }
}

/// The number under which the kernel keeps data of type `T` in each namespace. It is a static of the module.
///
/// # Invariants
///
/// Whoever changes `is_taken` from 0 to 1 owns `number` until it sets `is_taken` to 0. The kernel writes `number`
/// only in `register_pernet_subsys()`, which the owner calls before there is a [`Registration`], and it is only read
/// while that exists.
pub struct NetDataId<T> {
    number: UnsafeCell<c_uint>,
    is_taken: Atomic<i32>,
    _data: PhantomData<fn() -> T>,
}

// SAFETY: By the type invariants, `number` is not written while another thread may read it.
unsafe impl<T> Sync for NetDataId<T> {}

impl<T> NetDataId<T> {
    /// Returns an id without a number: it gets one by a [`Registration`].
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self {
            number: UnsafeCell::new(0),
            is_taken: Atomic::new(0),
            _data: PhantomData,
        }
    }
}

/// Data that is created for each network namespace when the namespace is, or when the data is registered, and dropped
/// with the namespace or with the registration. Both may sleep.
pub trait PerNet: Send + Sync + Sized + 'static {
    /// Returns the one static id of this type.
    fn id() -> &'static NetDataId<Self>;

    /// Creates the data of one namespace. May sleep.
    ///
    /// # Errors
    ///
    /// After an error, the namespace is not created, or the registration fails.
    fn new() -> Result<Self>;
}

/// The ownership of the id of `T`.
///
/// # Invariants
///
/// This value changed `is_taken` of the id from 0 to 1.
struct TakenId<T: PerNet>(PhantomData<T>);

impl<T: PerNet> TakenId<T> {
    fn take() -> Result<Self> {
        let taken = T::id().is_taken.cmpxchg(0, 1, Acquire);
        // INVARIANT: The exchange has succeeded.
        taken.map(|_| Self(PhantomData)).map_err(|_| EBUSY)
    }
}

impl<T: PerNet> Drop for TakenId<T> {
    fn drop(&mut self) {
        T::id().is_taken.store(0, Release);
    }
}

/// Keeps a `T` in each network namespace until it is dropped.
///
/// # Invariants
///
/// `operations` are registered.
pub struct Registration<T: PerNet> {
    operations: KBox<Opaque<pernet_operations>>,
    /// Dropped after the operations are unregistered.
    _id: TakenId<T>,
}

// SAFETY: Any thread may unregister the operations.
unsafe impl<T: PerNet> Send for Registration<T> {}
// SAFETY: A shared registration only gives access to `&T`, and `T` is `Sync`.
unsafe impl<T: PerNet> Sync for Registration<T> {}

impl<T: PerNet> Registration<T> {
    /// Creates the data of all existing namespaces, and from then on that of new ones. May sleep.
    ///
    /// # Errors
    ///
    /// Returns EBUSY if there is a registration of `T`, ENOMEM if memory is exhausted, and the errors of
    /// [`PerNet::new`].
    pub fn new(flags: Flags) -> Result<Self> {
        // The kernel allocates the data with the alignment of kmalloc().
        const { assert!(align_of::<T>() <= align_of::<u64>()) };
        let id = TakenId::take()?;
        let operations = pernet_operations {
            init: Some(init::<T>),
            exit: Some(exit::<T>),
            id: T::id().number.get(),
            size: size_of::<T>(),
            ..pin_init::zeroed()
        };
        let operations = KBox::new(Opaque::new(operations), flags)?;
        // SAFETY: The operations stay where they are, in their box, until they are unregistered. The call writes the
        // number, which `id` owns.
        to_result(unsafe { register_pernet_subsys(operations.get()) })?;
        // INVARIANT: The operations were just registered.
        Ok(Self {
            operations,
            _id: id,
        })
    }

    /// Returns the data of a namespace.
    pub fn of<'a>(&'a self, net: Net<'a>) -> &'a T {
        // SAFETY: This registration exists for the lifetime of the result.
        unsafe { data_of(net) }
    }
}

impl<T: PerNet> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the operations are registered, and this unregisters them once.
        unsafe { unregister_pernet_subsys(self.operations.get()) };
    }
}

/// Returns the data of a namespace.
///
/// # Safety
///
/// A [`Registration`] of `T` exists for the lifetime of the result.
pub(crate) unsafe fn data_of<'a, T: PerNet>(net: Net<'a>) -> &'a T {
    // SAFETY: By the safety requirements of this function, there is a registration, so the number is set, and `init` has
    // created the data of every namespace that is alive. The data is alive as long as both.
    unsafe { &*abstractions_net_generic(net.net, *T::id().number.get()).cast::<T>() }
}

/// # Safety
///
/// Only the kernel calls this, for operations that a [`Registration`] of `T` registered.
unsafe extern "C" fn init<T: PerNet>(net: *mut net) -> c_int {
    match T::new() {
        Ok(data) => {
            // SAFETY: The number is set before the kernel calls this. It has allocated `size_of::<T>()` bytes under
            // the number, which are not used before this returns.
            unsafe {
                let place = abstractions_net_generic(net, *T::id().number.get()).cast::<T>();
                place.write(data);
            }
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Only the kernel calls this, for operations that a [`Registration`] of `T` registered, and a namespace for which
/// [`init`] succeeded.
unsafe extern "C" fn exit<T: PerNet>(net: *mut net) {
    // SAFETY: By the safety requirements of this function, `init` has created the data. The kernel calls this once for a
    // namespace, when nothing uses it any more or when the operations are being unregistered.
    unsafe {
        ptr::drop_in_place(abstractions_net_generic(net, *T::id().number.get()).cast::<T>());
    }
}
