// SPDX-License-Identifier: GPL-2.0-only

//! Messages with attributes.

use super::request::Request;
use crate::bindings::{
    abstractions_genlmsg_end, abstractions_genlmsg_multicast_netns, abstractions_genlmsg_new,
    abstractions_genlmsg_reply, abstractions_nla_nest_end, abstractions_nla_nest_start,
    abstractions_nlmsg_free, abstractions_nlmsg_trim, abstractions_skb_tail_pointer, genlmsg_put,
    nla_put,
};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use kernel::bindings::{nlattr, sk_buff, GFP_ATOMIC, GFP_KERNEL};
use kernel::error::to_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

/// Where attributes are put: the end of a message that is being written.
///
/// # Invariants
///
/// `skb` is this thread's for `'a`, and ends with an unfinished message.
pub struct Attributes<'a> {
    skb: *mut sk_buff,
    _skb: PhantomData<&'a mut sk_buff>,
}

/// How far a message had been written.
#[derive(Clone, Copy)]
pub struct Mark(*const c_void);

impl Attributes<'_> {
    /// # Safety
    ///
    /// The type's invariants hold.
    pub(super) unsafe fn of(skb: *mut sk_buff) -> Self {
        // INVARIANT: by this function's own requirement.
        Self {
            skb,
            _skb: PhantomData,
        }
    }

    /// Appends an attribute.
    ///
    /// # Errors
    ///
    /// EMSGSIZE without room for it.
    pub fn put(&mut self, attribute: u16, bytes: &[u8]) -> Result {
        let len = c_int::try_from(bytes.len()).map_err(|_| EMSGSIZE)?;
        // SAFETY: by the type's invariants; `bytes` are that long.
        to_result(unsafe { nla_put(self.skb, c_int::from(attribute), len, bytes.as_ptr().cast()) })
    }

    /// Appends an attribute that holds those that `write` appends.
    ///
    /// # Errors
    ///
    /// EMSGSIZE without room for it, or what `write` says; what was written of it stays, unfinished.
    pub fn nest(&mut self, attribute: u16, write: impl FnOnce(&mut Self) -> Result) -> Result {
        // SAFETY: by the type's invariants.
        let nest = unsafe { abstractions_nla_nest_start(self.skb, c_int::from(attribute)) };
        let nest: NonNull<nlattr> = NonNull::new(nest).ok_or(EMSGSIZE)?;
        write(self)?;
        // SAFETY: the nest was started in this message and is still in it.
        unsafe { abstractions_nla_nest_end(self.skb, nest.as_ptr()) };
        Ok(())
    }

    /// How far the message has been written.
    pub fn mark(&self) -> Mark {
        // SAFETY: by the type's invariants; the tail is within the skb's memory.
        Mark(unsafe { abstractions_skb_tail_pointer(self.skb) })
    }

    /// Takes back what was appended since `mark`, which is this message's.
    pub fn trim(&mut self, mark: Mark) {
        // SAFETY: by the type's invariants; a mark is a tail that this message had, and messages do not
        // move.
        unsafe { abstractions_nlmsg_trim(self.skb, mark.0) };
    }
}

/// A message that is being written.
///
/// # Invariants
///
/// `skb` is this value's alone and ends with the unfinished message that `header` is of.
pub(super) struct Draft {
    skb: NonNull<sk_buff>,
    header: NonNull<c_void>,
}

impl Draft {
    pub(super) fn new(
        request: &Request<'_>,
        command: u8,
        portid: u32,
        seq: u32,
        size: usize,
    ) -> Result<Self> {
        // SAFETY: no requirements.
        let skb = unsafe { abstractions_genlmsg_new(size, GFP_KERNEL) };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: just allocated; the family is registered as long as it has requests.
        let header = unsafe {
            let family = (*request.info()).family;
            genlmsg_put(skb.as_ptr(), portid, seq, family, 0, command)
        };
        match NonNull::new(header) {
            // INVARIANT: just begun.
            Some(header) => Ok(Self { skb, header }),
            None => {
                // SAFETY: this function's alone.
                unsafe { abstractions_nlmsg_free(skb.as_ptr()) };
                Err(EMSGSIZE)
            }
        }
    }

    fn attributes(&mut self) -> Attributes<'_> {
        // SAFETY: by the type's invariants, which are those of `Attributes`.
        unsafe { Attributes::of(self.skb.as_ptr()) }
    }

    /// The message, finished, and its owner's now.
    fn finish(self) -> *mut sk_buff {
        let this = ManuallyDrop::new(self);
        // SAFETY: by the type's invariants.
        unsafe { abstractions_genlmsg_end(this.skb.as_ptr(), this.header.as_ptr()) };
        this.skb.as_ptr()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // SAFETY: by the type's invariants.
        unsafe { abstractions_nlmsg_free(self.skb.as_ptr()) };
    }
}

/// The answer to a request, not sent yet.
pub struct Reply<'r> {
    request: &'r Request<'r>,
    draft: Draft,
}

impl<'r> Reply<'r> {
    pub(super) fn new(request: &'r Request<'_>, draft: Draft) -> Self {
        Self { request, draft }
    }

    /// Where to write.
    pub fn attributes(&mut self) -> Attributes<'_> {
        self.draft.attributes()
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// EAGAIN if the sender has not read earlier answers, ECONNREFUSED if it has gone.
    pub fn send(self) -> Result {
        let skb = self.draft.finish();
        // SAFETY: a finished message, given away here; the request is still there.
        to_result(unsafe { abstractions_genlmsg_reply(skb, self.request.info()) })
    }
}

/// A message to all who listen, not sent yet.
pub struct Notification<'r> {
    request: &'r Request<'r>,
    draft: Draft,
    group: u32,
}

impl<'r> Notification<'r> {
    pub(super) fn new(request: &'r Request<'_>, draft: Draft, group: u32) -> Self {
        Self {
            request,
            draft,
            group,
        }
    }

    /// Where to write.
    pub fn attributes(&mut self) -> Attributes<'_> {
        self.draft.attributes()
    }

    /// Sends it. Does not sleep. Who has no room for it is told that it missed something.
    pub fn send(self) {
        let skb = self.draft.finish();
        // SAFETY: a finished message, given away here; the family is registered as long as it has
        // requests, the namespace is alive. The result says whether somebody listened, and could.
        let _ = unsafe {
            abstractions_genlmsg_multicast_netns(
                (*self.request.info()).family,
                self.request.net().as_ptr(),
                skb,
                self.group,
                GFP_ATOMIC,
            )
        };
    }
}
