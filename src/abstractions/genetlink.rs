// SPDX-License-Identifier: GPL-2.0-only

//! Generic netlink families.
//!
//! - [`request`]: what a user sent, who it is, and how it is refused;
//! - [`message`]: messages with attributes, as answers, as pages of a list, or to all who listen;
//! - [`list`]: answers of any length.
//!
//! Requests run at the same time, on their senders' threads. The kernel keeps a family apart from its
//! module's unloading: unregistering it waits for the requests under way, and an unfinished list keeps
//! the module loaded.
//!
//! C header: `include/net/genetlink.h`.

pub mod list;
pub mod message;
pub mod request;

use crate::bindings::{
    genl_family, genl_multicast_group, genl_ops, genl_register_family, genl_unregister_family,
    nla_policy,
};
use crate::net_namespace::{self, PerNet};
use core::marker::PhantomData;
use kernel::alloc::Flags;
use kernel::bindings::sk_buff;
use kernel::error::to_result;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::types::Opaque;
use list::List;
use request::Request;

/// What the kernel checks of an attribute before an operation sees it.
#[repr(transparent)]
pub struct Policy(nla_policy);

// SAFETY: constants.
unsafe impl Sync for Policy {}

impl Policy {
    /// The operation does not take it: EINVAL.
    pub const NONE: Self = Self::of_type(0);
    /// Attributes in an attribute. What they are is checked by the operation.
    pub const NESTED: Self = Self::of_type(crate::bindings::NLA_NESTED as u8);
    /// There or not.
    pub const FLAG: Self = Self::of_type(crate::bindings::NLA_FLAG as u8);

    const fn of_type(type_: u8) -> Self {
        // SAFETY: integers and null pointers.
        let mut policy: nla_policy = unsafe { core::mem::zeroed() };
        policy.type_ = type_;
        Self(policy)
    }
}

/// An operation that answers, or not, with one message.
pub trait Answer<D>: 'static {
    /// Does it. May sleep. Netlink acknowledges by itself what succeeded, where the sender wants that.
    ///
    /// # Errors
    ///
    /// What the sender gets: [`Request::refuse`] says why.
    fn answer(request: &Request<'_>, data: &D) -> Result;
}

/// One operation of a family whose namespaces have a `D` each.
#[repr(transparent)]
pub struct Operation<D>(genl_ops, PhantomData<fn(D)>);

// SAFETY: constants.
unsafe impl<D> Sync for Operation<D> {}

impl<D: PerNet> Operation<D> {
    /// `attributes` by their number, from 0, which is none. With none at all, the kernel refuses every
    /// attribute.
    const fn of_command(command: u8, attributes: &'static [Policy]) -> genl_ops {
        // SAFETY: integers, null pointers and no functions.
        let mut operation: genl_ops = unsafe { core::mem::zeroed() };
        operation.cmd = command;
        if let Some(last) = attributes.len().checked_sub(1) {
            operation.policy = attributes.as_ptr().cast();
            operation.maxattr = last as u32;
        }
        operation
    }

    /// Operation number `command` is `A`.
    pub const fn answer<A: Answer<D>>(command: u8, attributes: &'static [Policy]) -> Self {
        let mut operation = Self::of_command(command, attributes);
        operation.doit = Some(doit::<D, A>);
        Self(operation, PhantomData)
    }

    /// Operation number `command` is `L`.
    pub const fn list<L: List<D>>(command: u8, attributes: &'static [Policy]) -> Self {
        let mut operation = Self::of_command(command, attributes);
        operation.start = Some(list::start::<D, L>);
        operation.dumpit = Some(list::dumpit::<D, L>);
        operation.done = Some(list::done::<D, L>);
        Self(operation, PhantomData)
    }
}

/// A multicast group of a family.
#[repr(transparent)]
pub struct Group(genl_multicast_group);

impl Group {
    /// Everybody may listen. Names have at most 15 bytes.
    pub const fn new(name: &'static CStr) -> Self {
        Self(genl_multicast_group {
            name: name_of(name),
            flags: 0,
        })
    }

    /// Who has CAP_NET_ADMIN in the user namespace that owns the network namespace may listen.
    pub const fn for_net_admins(name: &'static CStr) -> Self {
        Self(genl_multicast_group {
            name: name_of(name),
            flags: GENL_MCAST_CAP_NET_ADMIN,
        })
    }
}

/// `GENL_MCAST_CAP_NET_ADMIN`, a macro that bindgen does not see through.
const GENL_MCAST_CAP_NET_ADMIN: u8 = 1 << 0;

/// As netlink stores names; what is too long does not compile.
const fn name_of(name: &CStr) -> [c_char; 16] {
    let bytes = name.to_bytes();
    let mut field = [0; 16];
    let mut at = 0;
    while at < bytes.len() {
        field[at] = bytes[at] as c_char;
        at += 1;
    }
    assert!(at < field.len());
    field
}

/// What a family is.
pub struct Description<D: 'static> {
    /// At most 15 bytes.
    pub name: &'static CStr,
    /// Of the protocol.
    pub version: u32,
    /// What can be asked for.
    pub operations: &'static [Operation<D>],
    /// What can be listened to.
    pub groups: &'static [Group],
}

/// A family that is there, in all namespaces, for as long as this lives.
///
/// # Invariants
///
/// `family` is registered.
pub struct Family<D: PerNet> {
    family: KBox<Opaque<genl_family>>,
    /// Dropped after the family: requests use it.
    _data: net_namespace::Registration<D>,
}

// SAFETY: may be unregistered by any thread; there is nothing to do with a shared one.
unsafe impl<D: PerNet> Send for Family<D> {}
// SAFETY: as above.
unsafe impl<D: PerNet> Sync for Family<D> {}

impl<D: PerNet> Family<D> {
    /// Makes the family known to users. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; EEXIST if there is a family of this name; what the namespaces' data say.
    pub fn register(
        module: &'static ThisModule,
        description: &Description<D>,
        flags: Flags,
    ) -> Result<Self> {
        let data = net_namespace::Registration::new(flags)?;
        // SAFETY: integers, null pointers and no functions.
        let mut family: genl_family = unsafe { core::mem::zeroed() };
        family.name = name_of(description.name);
        family.version = description.version;
        family.n_ops = u8::try_from(description.operations.len())?;
        family.ops = description.operations.as_ptr().cast();
        family.n_mcgrps = u8::try_from(description.groups.len())?;
        family.mcgrps = description.groups.as_ptr().cast();
        family.module = module.as_ptr();
        family.set_netnsok(1);
        family.set_parallel_ops(1);
        let family = KBox::new(Opaque::new(family), flags)?;
        // SAFETY: the family stays where it is until it is unregistered, and what it points to forever.
        to_result(unsafe { genl_register_family(family.get()) })?;
        // INVARIANT: registered.
        Ok(Self {
            family,
            _data: data,
        })
    }
}

impl<D: PerNet> Drop for Family<D> {
    fn drop(&mut self) {
        // SAFETY: registered by the type's invariants, and unregistered once. The result only says that.
        let _ = unsafe { genl_unregister_family(self.family.get()) };
    }
}

/// # Safety
///
/// To be called by the operations of a registered [`Family`] only.
unsafe extern "C" fn doit<D: PerNet, A: Answer<D>>(
    skb: *mut sk_buff,
    info: *mut crate::bindings::genl_info,
) -> c_int {
    // SAFETY: a request, which stays for the time of the call.
    let request = unsafe { Request::from_raw(skb, info) };
    // SAFETY: the family is registered, so its data are.
    let data = unsafe { net_namespace::data_of::<D>(request.net()) };
    match A::answer(&request, data) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
