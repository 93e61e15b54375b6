// SPDX-License-Identifier: GPL-2.0-only

//! Messages with attributes: replies to a request, and notifications of a multicast group.
//!
//! C headers: `include/net/netlink.h`, `include/net/genetlink.h`.

use crate::request::Request;
use abstractions::bindings::{
    abstractions_genlmsg_end, abstractions_genlmsg_multicast_netns, abstractions_genlmsg_new,
    abstractions_genlmsg_reply, abstractions_nla_nest_end, abstractions_nla_nest_start,
    abstractions_nlmsg_free, genlmsg_put, nla_put, skb_trim,
};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use kernel::bindings::{nlattr, sk_buff, GFP_ATOMIC, GFP_KERNEL};
use kernel::error::to_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

/// The attributes of a message that is being written, or of a nested attribute in it. They are appended at its end.
///
/// # Invariants
///
/// For `'a`, only the calling thread uses `skb`. It is linear and ends with an unfinished message, whose attributes
/// begin at `begin` or before.
pub struct MessageAttributes<'a> {
    skb: *mut sk_buff,
    /// The length of the buffer before the first of these attributes, in bytes.
    begin: u32,
    _skb: PhantomData<&'a mut sk_buff>,
}

/// A length that a message had while it was written, to which it can be cut back.
#[derive(Clone, Copy)]
pub struct MessageMark(u32);

impl MessageAttributes<'_> {
    /// Returns the attributes of a message that was just begun.
    ///
    /// # Safety
    ///
    /// For the lifetime of the result, only the calling thread uses `skb`, which is linear and ends with a message
    /// that has a header and no attributes yet.
    pub(crate) unsafe fn begin(skb: *mut sk_buff) -> Self {
        // INVARIANT: By the safety requirements of this function, the attributes begin at the end of the buffer.
        Self {
            skb,
            // SAFETY: By the safety requirements of this function, the buffer is valid.
            begin: unsafe { (*skb).len },
            _skb: PhantomData,
        }
    }

    /// Returns the length of the buffer in bytes.
    fn len(&self) -> u32 {
        // SAFETY: By the type invariants, the buffer is valid and not used elsewhere.
        unsafe { (*self.skb).len }
    }

    /// Appends an attribute.
    ///
    /// # Errors
    ///
    /// Returns EMSGSIZE if it does not fit; the message is unchanged.
    pub fn put(&mut self, attribute: u16, bytes: &[u8]) -> Result {
        let len = c_int::try_from(bytes.len()).map_err(|_| EMSGSIZE)?;
        // SAFETY: By the type invariants, the buffer ends with an unfinished message; `bytes` has that length.
        to_result(unsafe { nla_put(self.skb, c_int::from(attribute), len, bytes.as_ptr().cast()) })
    }

    /// Appends an attribute that holds the attributes which `write` appends.
    ///
    /// # Errors
    ///
    /// Returns EMSGSIZE if it does not fit, or the error of `write`. An incomplete attribute then stays in the
    /// message: the caller trims the message or discards it.
    pub fn nest(&mut self, attribute: u16, write: impl FnOnce(&mut Self) -> Result) -> Result {
        // SAFETY: By the type invariants, the buffer ends with an unfinished message.
        let nest = unsafe { abstractions_nla_nest_start(self.skb, c_int::from(attribute)) };
        let nest: NonNull<nlattr> = NonNull::new(nest).ok_or(EMSGSIZE)?;
        // INVARIANT: The nested attributes begin at the end of the buffer, after those of `self`.
        let mut nested = Self {
            skb: self.skb,
            begin: self.len(),
            _skb: PhantomData,
        };
        write(&mut nested)?;
        // SAFETY: The nested attribute was started in this message. It is still in it, since `nested` cannot be
        // trimmed beyond its own beginning.
        unsafe { abstractions_nla_nest_end(self.skb, nest.as_ptr()) };
        Ok(())
    }

    /// Returns a mark of the current end of the message.
    pub fn mark(&self) -> MessageMark {
        MessageMark(self.len())
    }

    /// Removes the attributes that were appended since `mark` was returned by [`Self::mark`]. Does nothing with a mark
    /// that is not between the beginning of these attributes and the end of the message.
    pub fn trim(&mut self, mark: MessageMark) {
        if (self.begin..=self.len()).contains(&mark.0) {
            // SAFETY: By the type invariants, only this thread uses the buffer, which is linear; it becomes shorter,
            // and not shorter than the unfinished message before these attributes.
            unsafe { skb_trim(self.skb, mark.0) };
        }
    }
}

/// A message that is being written.
///
/// # Invariants
///
/// This value owns `skb`, which is linear and ends with the unfinished message that begins with `header` and whose
/// attributes begin at `begin`.
struct MessageBuilder {
    skb: NonNull<sk_buff>,
    header: NonNull<c_void>,
    begin: u32,
}

impl MessageBuilder {
    /// Allocates a message to or about the sender of `request`, with room for `size` bytes of attributes. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    fn new(request: &Request<'_>, command: u8, size: usize) -> Result<Self> {
        // SAFETY: An FFI call with no additional requirements.
        let skb = unsafe { abstractions_genlmsg_new(size, GFP_KERNEL) };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: The buffer was just allocated. A request stays for its lifetime, and its family is registered as
        // long.
        let header = unsafe {
            let info = &*request.info();
            let (portid, seq) = (info.snd_portid, info.snd_seq);
            genlmsg_put(skb.as_ptr(), portid, seq, info.family, 0, command)
        };
        match NonNull::new(header) {
            // INVARIANT: The message was just begun in a new buffer, and has no attributes.
            Some(header) => Ok(Self {
                skb,
                header,
                // SAFETY: This function owns the buffer.
                begin: unsafe { (*skb.as_ptr()).len },
            }),
            None => {
                // SAFETY: This function owns the buffer.
                unsafe { abstractions_nlmsg_free(skb.as_ptr()) };
                Err(EMSGSIZE)
            }
        }
    }

    fn attributes(&mut self) -> MessageAttributes<'_> {
        // INVARIANT: By the type invariants of the builder, which is borrowed as long.
        MessageAttributes {
            skb: self.skb.as_ptr(),
            begin: self.begin,
            _skb: PhantomData,
        }
    }

    /// Finishes the message and gives it to the caller.
    fn finish(self) -> *mut sk_buff {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants, the buffer ends with the message that begins with `header`.
        unsafe { abstractions_genlmsg_end(this.skb.as_ptr(), this.header.as_ptr()) };
        this.skb.as_ptr()
    }
}

impl Drop for MessageBuilder {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the buffer.
        unsafe { abstractions_nlmsg_free(self.skb.as_ptr()) };
    }
}

/// A reply to a request, before it is sent.
#[must_use = "a reply that is dropped is not sent"]
pub struct MessageReply<'r> {
    request: &'r Request<'r>,
    message: MessageBuilder,
}

impl MessageReply<'_> {
    /// Returns the attributes of the message, to be written.
    pub fn attributes(&mut self) -> MessageAttributes<'_> {
        self.message.attributes()
    }

    /// Sends the reply.
    ///
    /// # Errors
    ///
    /// Returns EAGAIN if the requester's receive buffer is full, ECONNREFUSED if its socket is closed.
    pub fn send(self) -> Result {
        let skb = self.message.finish();
        // SAFETY: The message is finished and given to the call; the request stays for its lifetime.
        to_result(unsafe { abstractions_genlmsg_reply(skb, self.request.info()) })
    }
}

/// A notification to the listeners of a multicast group, before it is sent.
#[must_use = "a notification that is dropped is not sent"]
pub struct Notification<'r> {
    request: &'r Request<'r>,
    message: MessageBuilder,
    group: u32,
}

impl Notification<'_> {
    /// Returns the attributes of the message, to be written.
    pub fn attributes(&mut self) -> MessageAttributes<'_> {
        self.message.attributes()
    }

    /// Sends the notification. A listener whose receive buffer is full gets ENOBUFS instead. Does not sleep.
    pub fn send(self) {
        let skb = self.message.finish();
        // SAFETY: The message is finished and given to the call. The family is registered while it has requests, and
        // a request keeps its namespace. The result says whether there were listeners.
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

impl Request<'_> {
    /// Returns a reply with room for `size` bytes of attributes. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub fn reply(&self, size: usize) -> Result<MessageReply<'_>> {
        Ok(MessageReply {
            message: MessageBuilder::new(self, self.command(), size)?,
            request: self,
        })
    }

    /// Returns a notification of a multicast group of the family, with the request's sender and sequence number and
    /// room for `size` bytes of attributes. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub fn notification(&self, group: u32, command: u8, size: usize) -> Result<Notification<'_>> {
        Ok(Notification {
            message: MessageBuilder::new(self, command, size)?,
            request: self,
            group,
        })
    }
}
