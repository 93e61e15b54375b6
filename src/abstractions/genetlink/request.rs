// SPDX-License-Identifier: GPL-2.0-only

//! A request: its attributes, its sender, and the reason of its failure.

use crate::net_namespace::Net;
use abstractions::bindings::{
    abstractions_genl_has_listeners, abstractions_genl_info_net, abstractions_genl_info_payload,
    abstractions_genl_info_payload_len, abstractions_genl_set_err, genl_info,
};
use core::marker::PhantomData;
use core::slice;
use kernel::bindings::{netlink_capable, netlink_net_capable, sk_buff, CAP_NET_ADMIN};
use kernel::ffi::c_int;
use kernel::prelude::*;

/// A message from a user that asks for an operation.
///
/// # Invariants
///
/// `skb` and `info` are the two parts of one request, which stays for `'a`. Its family is registered as long, and only
/// the calling thread handles it.
pub struct Request<'a> {
    skb: *mut sk_buff,
    info: *mut genl_info,
    _stays: PhantomData<&'a genl_info>,
}

impl<'a> Request<'a> {
    /// # Safety
    ///
    /// `skb` and `info` are the two parts of one request of a registered family, which only the calling thread
    /// handles for `'a`.
    pub(crate) unsafe fn from_raw(skb: *mut sk_buff, info: *mut genl_info) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            skb,
            info,
            _stays: PhantomData,
        }
    }

    /// Returns the request as the C API wants it.
    pub(crate) fn info(&self) -> *mut genl_info {
        self.info
    }

    /// Returns the number of the requested operation.
    pub(crate) fn command(&self) -> u8 {
        // SAFETY: By the type invariants, the request stays, and so does its header.
        unsafe { (*(*self.info).genlhdr).cmd }
    }

    /// Returns the bytes of all attributes.
    pub fn payload(&self) -> &'a [u8] {
        // SAFETY: By the type invariants, the request stays for `'a`, and netlink has checked that it is as long as
        // its header says. Nothing writes to it.
        unsafe {
            let len = abstractions_genl_info_payload_len(self.info);
            slice::from_raw_parts(
                abstractions_genl_info_payload(self.info).cast(),
                usize::try_from(len).unwrap_or(0),
            )
        }
    }

    /// Returns the network namespace of the sender's socket.
    pub fn net(&self) -> Net<'a> {
        // SAFETY: By the type invariants, the request stays for `'a`; it keeps the sender's socket, and the socket keeps
        // its namespace.
        unsafe { Net::from_raw(abstractions_genl_info_net(self.info)) }
    }

    /// Returns true if the sender has CAP_NET_ADMIN in the user namespace that owns the network namespace, and had it
    /// when it opened the socket.
    pub fn is_net_admin(&self) -> bool {
        // SAFETY: By the type invariants, the message is that of a request, so it came from a socket.
        unsafe { netlink_net_capable(self.skb, CAP_NET_ADMIN as c_int) }
    }

    /// Returns true if the sender has CAP_NET_ADMIN in the initial user namespace, and had it when it opened the
    /// socket.
    pub fn is_global_net_admin(&self) -> bool {
        // SAFETY: By the type invariants, the message is that of a request, so it came from a socket.
        unsafe { netlink_capable(self.skb, CAP_NET_ADMIN as c_int) }
    }

    /// Sets the message of the extended acknowledgement, and the attribute that it is about: the one that begins at this
    /// byte of the payload. The operation must then return an error.
    pub fn set_extack(&self, message: &'static CStr, attribute: Option<usize>) {
        // SAFETY: By the type invariants, the request stays and only this thread handles it, and its extended
        // acknowledgement, if the sender wants one, belongs to it.
        let Some(extack) = (unsafe { (*self.info).extack.as_mut() }) else {
            return;
        };
        extack._msg = message.as_char_ptr();
        if let Some(attribute) = attribute.and_then(|at| self.payload().get(at..)) {
            if !attribute.is_empty() {
                extack.bad_attr = attribute.as_ptr().cast();
                extack.policy = core::ptr::null_mut();
            }
        }
    }

    /// Returns true if a socket in the request's namespace listens to this multicast group of the family.
    pub fn has_listeners(&self, group: u32) -> bool {
        // SAFETY: By the type invariants, the family is registered, and the request keeps its namespace.
        unsafe { abstractions_genl_has_listeners((*self.info).family, self.net().as_ptr(), group) }
    }

    /// Reports ENOBUFS to all listeners of a multicast group in the request's namespace: they have missed a
    /// notification. Does not sleep.
    pub fn report_overrun(&self, group: u32) {
        // SAFETY: By the type invariants, the family is registered, and the request keeps its namespace. The result
        // is the number of listeners that do not want such reports.
        let _ = unsafe {
            abstractions_genl_set_err(
                (*self.info).family,
                self.net().as_ptr(),
                group,
                -(kernel::bindings::ENOBUFS as c_int),
            )
        };
    }
}
