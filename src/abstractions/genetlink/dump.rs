// SPDX-License-Identifier: GPL-2.0-only

//! Replies of any length (`dumpit`): netlink asks for the next part whenever the reader has room for it.

use crate::message::MessageAttributes;
use crate::net_namespace::{data_of, PerNet};
use crate::request::Request;
use crate::MESSAGE_HEADERS;
use abstractions::bindings::{
    abstractions_genl_dump_check_consistent, abstractions_genl_info_dump,
    abstractions_genlmsg_cancel, abstractions_genlmsg_end, genl_info, genlmsg_put,
};
use core::marker::PhantomData;
use kernel::bindings::{netlink_callback, sk_buff, NLM_F_MULTI};
use kernel::ffi::c_int;
use kernel::prelude::*;

/// An operation that replies with a dump. `D` is the data of a network namespace.
pub trait Dump<D>: 'static {
    /// The position of one dump, which lives until the dump ends or the reader closes its socket.
    type Cursor: Send;

    /// Starts a dump. May sleep.
    ///
    /// # Errors
    ///
    /// An error is sent to the requester; [`Request::set_extack`] adds a reason.
    fn start(request: &Request<'_>, data: &D) -> Result<KBox<Self::Cursor>>;

    /// Writes messages to `buffer` and advances the cursor. Returns true if there are no more, false if no more fit.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// An error ends the dump and is sent to the reader.
    fn dumpit(cursor: &mut Self::Cursor, buffer: &mut DumpBuffer<'_>, data: &D) -> Result<bool>;

    /// Returns a number that changes whenever the dumped data or its order does. With `finished`, it is the number
    /// that follows the changes which are being made now.
    fn version(cursor: &Self::Cursor, data: &D, finished: bool) -> u32;
}

/// The buffer for one part of a dump.
///
/// # Invariants
///
/// `skb` and `callback` are those of a dump of which the calling thread writes a part, for `'a`.
pub struct DumpBuffer<'a> {
    skb: *mut sk_buff,
    callback: *mut netlink_callback,
    is_empty: bool,
    _dump: PhantomData<&'a mut sk_buff>,
}

impl DumpBuffer<'_> {
    fn info(&self) -> *const genl_info {
        // SAFETY: By the type invariants, the callback is that of a dump.
        unsafe { abstractions_genl_info_dump(self.callback) }
    }

    /// Appends a message, whose attributes `write` writes. If it does not fit, nothing is appended, the result is
    /// false, and the next buffer has room for a message with `size` bytes of attributes.
    pub fn put(
        &mut self,
        size: usize,
        write: impl FnOnce(&mut MessageAttributes<'_>) -> Result,
    ) -> bool {
        if self.append(write) {
            return true;
        }
        let room = u32::try_from(size.saturating_add(MESSAGE_HEADERS)).unwrap_or(u32::MAX);
        // SAFETY: By the type invariants, only the calling thread uses the callback.
        unsafe { (*self.callback).min_dump_alloc = room };
        if self.is_empty {
            // Netlink ends a dump at the first empty buffer, so a message without attributes is sent.
            self.append(|_| Ok(()));
        }
        false
    }

    fn append(&mut self, write: impl FnOnce(&mut MessageAttributes<'_>) -> Result) -> bool {
        let info = self.info();
        // SAFETY: By the type invariants, the dump is in progress, so its request is alive, and the calling thread
        // alone writes to the buffer.
        let header = unsafe {
            let info = &*info;
            genlmsg_put(
                self.skb,
                info.snd_portid,
                info.snd_seq,
                info.family,
                NLM_F_MULTI as c_int,
                (*info.genlhdr).cmd,
            )
        };
        if header.is_null() {
            return false;
        }
        // SAFETY: By the type invariants, only the calling thread uses the buffer, which ends with the message that
        // was just begun.
        let is_written = write(&mut unsafe { MessageAttributes::begin(self.skb) }).is_ok();
        // SAFETY: The header is that of the last message in the buffer.
        unsafe {
            if is_written {
                abstractions_genl_dump_check_consistent(self.callback, header);
                abstractions_genlmsg_end(self.skb, header);
            } else {
                abstractions_genlmsg_cancel(self.skb, header);
            }
        }
        self.is_empty &= !is_written;
        is_written
    }
}

/// Returns where a dump's cursor is kept: a pointer in the callback's context, which netlink aligns for pointers,
/// leaves to the operation, and does not touch from `start()` to `done()`.
///
/// # Safety
///
/// `callback` is that of a dump, from its `start()` to its `done()`.
unsafe fn cursor_of<D, O: Dump<D>>(callback: *mut netlink_callback) -> *mut *mut O::Cursor {
    // SAFETY: By the safety requirements of this function, the callback is alive; only an address is computed.
    unsafe { (&raw mut (*callback).__bindgen_anon_1.ctx).cast() }
}

/// # Safety
///
/// Only netlink calls this, to start a dump of a registered family that keeps a `D` for each namespace.
pub(super) unsafe extern "C" fn start<D: PerNet, O: Dump<D>>(
    callback: *mut netlink_callback,
) -> c_int {
    // SAFETY: netlink passes the callback of a dump, whose request stays as long as the dump.
    let request = unsafe {
        let info = abstractions_genl_info_dump(callback).cast_mut();
        Request::from_raw((*callback).skb, info)
    };
    // SAFETY: By the safety requirements of this function, the family is registered. It owns the registration of the
    // namespaces' data, and is unregistered before that and only when no request is being handled.
    let data = unsafe { data_of::<D>(request.net()) };
    match O::start(&request, data) {
        Ok(cursor) => {
            // SAFETY: The dump's `start()` is being executed, so the context is free for the cursor, and it is aligned
            // for a pointer.
            unsafe { *cursor_of::<D, O>(callback) = KBox::into_raw(cursor) };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Only netlink calls this, for a dump whose [`start`] with the same types succeeded, one call at a time.
pub(super) unsafe extern "C" fn dumpit<D: PerNet, O: Dump<D>>(
    skb: *mut sk_buff,
    callback: *mut netlink_callback,
) -> c_int {
    // SAFETY: netlink passes the callback of a dump, whose request and namespace stay as long as the dump. An
    // unfinished dump keeps the module loaded, and so the family and its data registered. By the safety
    // requirements of this function, `start` has stored the cursor, and no other call uses it.
    let (data, cursor) = unsafe {
        let info = abstractions_genl_info_dump(callback).cast_mut();
        let request = Request::from_raw((*callback).skb, info);
        (
            data_of::<D>(request.net()),
            &mut **cursor_of::<D, O>(callback),
        )
    };
    // SAFETY: netlink holds the socket's `nl_cb_mutex`, so one thread at a time uses the callback.
    unsafe {
        (*callback).seq = O::version(cursor, data, false).max(1);
        (*callback).min_dump_alloc = 0;
    }
    // INVARIANT: netlink has called this function to write a part of this dump.
    let mut buffer = DumpBuffer {
        skb,
        callback,
        is_empty: true,
        _dump: PhantomData,
    };
    let is_done = O::dumpit(cursor, &mut buffer, data);
    // The message that ends the dump is marked if the data changed while the last part was written.
    // SAFETY: netlink holds the socket's `nl_cb_mutex`, so one thread at a time uses the callback.
    unsafe { (*callback).seq = O::version(cursor, data, true).max(1) };
    match is_done {
        Ok(true) => 0,
        // SAFETY: netlink passes a buffer that is valid during the call.
        Ok(false) => unsafe { (*skb).len as c_int },
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Only netlink calls this, once, at the end of a dump whose [`start`] with the same types succeeded.
pub(super) unsafe extern "C" fn done<D: PerNet, O: Dump<D>>(
    callback: *mut netlink_callback,
) -> c_int {
    // SAFETY: By the safety requirements of this function, `start` has stored the cursor, which came from a box, and
    // nothing uses it any more.
    drop(unsafe { KBox::from_raw(*cursor_of::<D, O>(callback)) });
    0
}
