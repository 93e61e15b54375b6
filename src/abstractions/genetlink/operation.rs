// SPDX-License-Identifier: GPL-2.0-only

//! The operations of a family, and the policies of their attributes.
//!
//! C headers: `include/net/genetlink.h` (`struct genl_ops`), `include/net/netlink.h` (`struct nla_policy`).

use crate::dump::{self, Dump};
use crate::net_namespace::{data_of, PerNet};
use crate::request::Request;
use abstractions::bindings::{genl_info, genl_ops, nla_policy, NLA_FLAG, NLA_NESTED};
use core::marker::PhantomData;
use kernel::bindings::sk_buff;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// What the kernel checks of an attribute before an operation is called.
#[repr(transparent)]
pub struct Policy(nla_policy);

// SAFETY: A policy is only read once it was constructed, and its pointers are null.
unsafe impl Sync for Policy {}

impl Policy {
    /// The kernel refuses the attribute with EINVAL.
    pub const NONE: Self = Self::of_type(0);
    /// The attribute holds attributes, which the operation checks.
    pub const NESTED: Self = Self::of_type(NLA_NESTED as u8);
    /// The attribute has no payload.
    pub const FLAG: Self = Self::of_type(NLA_FLAG as u8);

    const fn of_type(type_: u8) -> Self {
        // SAFETY: All fields are integers and pointers, for which zero is valid.
        let mut policy: nla_policy = unsafe { core::mem::zeroed() };
        policy.type_ = type_;
        Self(policy)
    }
}

/// An operation that replies with at most one message (`doit`). `D` is the data of a network namespace.
pub trait DoIt<D>: 'static {
    /// Handles a request. May sleep. Netlink itself acknowledges a request that succeeds, if its sender wants that.
    ///
    /// # Errors
    ///
    /// An error is sent to the requester; [`Request::set_extack`] adds a reason.
    fn doit(request: &Request<'_>, data: &D) -> Result;
}

/// An operation of a family that keeps a `D` for each network namespace.
#[repr(transparent)]
pub struct GenlOperation<D>(genl_ops, PhantomData<fn(D)>);

// SAFETY: An operation is only read once it was constructed: the kernel does not write through its pointers, which
// point to static policies and functions.
unsafe impl<D> Sync for GenlOperation<D> {}

impl<D: PerNet> GenlOperation<D> {
    /// `attributes[n]` is the policy of attribute number `n`; netlink reserves number 0, so `attributes[0]` is
    /// [`Policy::NONE`]. With an empty slice, the kernel refuses every attribute.
    const fn of_command(command: u8, attributes: &'static [Policy]) -> genl_ops {
        // SAFETY: All fields are integers, pointers and optional functions, for which zero is valid.
        let mut operation: genl_ops = unsafe { core::mem::zeroed() };
        operation.cmd = command;
        if let Some(last) = attributes.len().checked_sub(1) {
            operation.policy = attributes.as_ptr().cast();
            operation.maxattr = last as u32;
        }
        operation
    }

    /// Returns operation number `command`, which `O` handles. `attributes[n]` is the policy of attribute number
    /// `n`, and `attributes[0]` is [`Policy::NONE`].
    pub const fn doit<O: DoIt<D>>(command: u8, attributes: &'static [Policy]) -> Self {
        let mut operation = Self::of_command(command, attributes);
        operation.doit = Some(doit::<D, O>);
        Self(operation, PhantomData)
    }

    /// Returns operation number `command`, which `O` handles by a dump. `attributes` are as for [`Self::doit`].
    pub const fn dump<O: Dump<D>>(command: u8, attributes: &'static [Policy]) -> Self {
        let mut operation = Self::of_command(command, attributes);
        operation.start = Some(dump::start::<D, O>);
        operation.dumpit = Some(dump::dumpit::<D, O>);
        operation.done = Some(dump::done::<D, O>);
        Self(operation, PhantomData)
    }
}

/// # Safety
///
/// Only netlink calls this, for an operation of a registered family that keeps a `D` for each namespace.
unsafe extern "C" fn doit<D: PerNet, O: DoIt<D>>(skb: *mut sk_buff, info: *mut genl_info) -> c_int {
    // SAFETY: netlink passes the two parts of one request, which stays during the call.
    let request = unsafe { Request::from_raw(skb, info) };
    // SAFETY: By the safety requirements of this function, the family is registered. It owns the registration of the
    // namespaces' data, and is unregistered before that and only when no request is being handled.
    let data = unsafe { data_of::<D>(request.net()) };
    match O::doit(&request, data) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
