// SPDX-License-Identifier: GPL-2.0-only

//! A request.

use super::message::{Draft, Notification, Reply};
use crate::bindings::{
    abstractions_genl_has_listeners, abstractions_genl_info_net, abstractions_genl_info_payload,
    abstractions_genl_info_payload_len, abstractions_genl_set_err, genl_info,
};
use crate::net_namespace::Net;
use core::marker::PhantomData;
use core::slice;
use kernel::bindings::{netlink_capable, netlink_net_capable, sk_buff, CAP_NET_ADMIN};
use kernel::ffi::c_int;
use kernel::prelude::*;

/// A message from a user.
pub struct Request<'a> {
    skb: *mut sk_buff,
    info: *mut genl_info,
    _stays: PhantomData<&'a genl_info>,
}

impl<'a> Request<'a> {
    /// # Safety
    ///
    /// Both are those of one request, and stay for `'a`.
    pub(super) unsafe fn from_raw(skb: *mut sk_buff, info: *mut genl_info) -> Self {
        Self {
            skb,
            info,
            _stays: PhantomData,
        }
    }

    pub(super) fn info(&self) -> *mut genl_info {
        self.info
    }

    /// The attributes, as they came.
    pub fn payload(&self) -> &'a [u8] {
        // SAFETY: a request stays for `'a`, and is as long as its header says, which netlink has checked.
        unsafe {
            let len = abstractions_genl_info_payload_len(self.info);
            slice::from_raw_parts(
                abstractions_genl_info_payload(self.info).cast(),
                usize::try_from(len).unwrap_or(0),
            )
        }
    }

    /// Where it was sent.
    pub fn net(&self) -> Net<'a> {
        // SAFETY: the sender's socket keeps the namespace, and the request the socket.
        unsafe { Net::from_raw(abstractions_genl_info_net(self.info)) }
    }

    /// True if the sender, now and when it opened the socket, has CAP_NET_ADMIN in the user namespace
    /// that owns the network namespace.
    pub fn is_net_admin(&self) -> bool {
        // SAFETY: the skb came from a socket.
        unsafe { netlink_net_capable(self.skb, CAP_NET_ADMIN as c_int) }
    }

    /// As [`Self::is_net_admin`], in the initial user namespace.
    pub fn is_global_net_admin(&self) -> bool {
        // SAFETY: the skb came from a socket.
        unsafe { netlink_capable(self.skb, CAP_NET_ADMIN as c_int) }
    }

    /// Tells the sender what is wrong, and with which attribute: the one that begins at this byte of the
    /// payload. An error must follow.
    pub fn refuse(&self, sentence: &'static CStr, attribute: Option<usize>) {
        // SAFETY: the request is this thread's; its extack, if any, is its own, too.
        let Some(extack) = (unsafe { (*self.info).extack.as_mut() }) else {
            return;
        };
        extack._msg = sentence.as_char_ptr();
        if let Some(attribute) = attribute.and_then(|at| self.payload().get(at..)) {
            if !attribute.is_empty() {
                extack.bad_attr = attribute.as_ptr().cast();
                extack.policy = core::ptr::null_mut();
            }
        }
    }

    /// An answer with room for `size` bytes of attributes. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn reply(&self, size: usize) -> Result<Reply<'_>> {
        // SAFETY: the request stays for longer than the borrow.
        let (command, portid, seq) = unsafe {
            let info = &*self.info;
            ((*info.genlhdr).cmd, info.snd_portid, info.snd_seq)
        };
        let draft = Draft::new(self, command, portid, seq, size)?;
        Ok(Reply::new(self, draft))
    }

    /// True if somebody in the namespace listens to the family's group of this number.
    pub fn has_listeners(&self, group: u32) -> bool {
        // SAFETY: the family is registered as long as it has requests, the namespace is alive.
        unsafe { abstractions_genl_has_listeners((*self.info).family, self.net().as_ptr(), group) }
    }

    /// A message to all who listen to a group, with the request's numbers and room for `size` bytes of
    /// attributes. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn notification(&self, group: u32, command: u8, size: usize) -> Result<Notification<'_>> {
        // SAFETY: the request stays for longer than the borrow.
        let (portid, seq) = unsafe { ((*self.info).snd_portid, (*self.info).snd_seq) };
        let draft = Draft::new(self, command, portid, seq, size)?;
        Ok(Notification::new(self, draft, group))
    }

    /// Tells all who listen to a group that they have missed something (ENOBUFS). Does not sleep.
    pub fn notification_is_lost(&self, group: u32) {
        // SAFETY: the family is registered as long as it has requests, the namespace is alive. The
        // result is the number of listeners who do not want to know.
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
