// SPDX-License-Identifier: GPL-2.0-only

//! Answers of any length: pages, each asked for when its reader has room for it.

use super::message::Attributes;
use super::request::Request;
use crate::bindings::{
    abstractions_genl_dump_check_consistent, abstractions_genl_info_dump,
    abstractions_genlmsg_cancel, abstractions_genlmsg_end, genl_info, genlmsg_put,
};
use crate::net_namespace::{data_of, PerNet};
use core::marker::PhantomData;
use kernel::bindings::{netlink_callback, sk_buff, NLM_F_MULTI};
use kernel::ffi::c_int;
use kernel::prelude::*;

/// An operation that answers with a list.
pub trait List<D>: 'static {
    /// How far it has come. It lives until the list ends or its reader goes.
    type Position: Send;

    /// A list is asked for. May sleep.
    ///
    /// # Errors
    ///
    /// What the sender gets: [`Request::refuse`] says why.
    fn begin(request: &Request<'_>, data: &D) -> Result<KBox<Self::Position>>;

    /// Writes messages until there are no more (true), or no more fit (false). May sleep.
    ///
    /// # Errors
    ///
    /// The list ends with it.
    fn page(position: &mut Self::Position, page: &mut Page<'_>, data: &D) -> Result<bool>;

    /// A number that grows with each change of what is listed, or of its order. With `finished`, it is the
    /// number after the changes that are being made.
    fn version(position: &Self::Position, data: &D, finished: bool) -> u32;
}

/// A buffer for messages.
///
/// # Invariants
///
/// `skb` and `callback` are those of a list that is being written by this thread.
pub struct Page<'a> {
    skb: *mut sk_buff,
    callback: *mut netlink_callback,
    is_empty: bool,
    _list: PhantomData<&'a mut sk_buff>,
}

impl Page<'_> {
    fn info(&self) -> *const genl_info {
        // SAFETY: by the type's invariants.
        unsafe { abstractions_genl_info_dump(self.callback) }
    }

    /// Appends a message. False if it does not fit; then nothing is appended, and the next page has room
    /// for a message with `size` bytes of attributes.
    pub fn put(&mut self, size: usize, write: impl FnOnce(&mut Attributes<'_>) -> Result) -> bool {
        if self.append(write) {
            return true;
        }
        let room = u32::try_from(size.saturating_add(HEADERS)).unwrap_or(u32::MAX);
        // SAFETY: by the type's invariants.
        unsafe { (*self.callback).min_dump_alloc = room };
        if self.is_empty {
            // A list ends with its first empty page. This message has no attributes.
            self.append(|_| Ok(()));
        }
        false
    }

    fn append(&mut self, write: impl FnOnce(&mut Attributes<'_>) -> Result) -> bool {
        let info = self.info();
        // SAFETY: by the type's invariants, the request of the list is still there.
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
        // SAFETY: this thread's, and it ends with the message just begun.
        let is_written = write(&mut unsafe { Attributes::of(self.skb) }).is_ok();
        // SAFETY: the header is that of the last message of `skb`.
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

/// Bytes of a message besides its attributes: the headers of netlink and of generic netlink.
const HEADERS: usize = 20;

/// # Safety
///
/// `callback` is of a list whose [`start`] succeeded.
unsafe fn position_of<D, L: List<D>>(callback: *mut netlink_callback) -> *mut *mut L::Position {
    // SAFETY: by this function's own requirement; the context is the operation's to use, and aligned for
    // pointers.
    unsafe { (&raw mut (*callback).__bindgen_anon_1.ctx).cast() }
}

/// # Safety
///
/// To be called by the operations of a registered family only.
pub(super) unsafe extern "C" fn start<D: PerNet, L: List<D>>(
    callback: *mut netlink_callback,
) -> c_int {
    // SAFETY: the request that asks for the list stays as long as the list.
    let request = unsafe {
        let info = abstractions_genl_info_dump(callback).cast_mut();
        Request::from_raw((*callback).skb, info)
    };
    // SAFETY: the family is registered, so its data are.
    let data = unsafe { data_of::<D>(request.net()) };
    match L::begin(&request, data) {
        Ok(position) => {
            // SAFETY: the list begins here.
            unsafe { *position_of::<D, L>(callback) = KBox::into_raw(position) };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`start`].
pub(super) unsafe extern "C" fn dumpit<D: PerNet, L: List<D>>(
    skb: *mut sk_buff,
    callback: *mut netlink_callback,
) -> c_int {
    // SAFETY: the reader's socket keeps the request and the namespace; an unfinished list keeps the
    // module, and so the family and its data. `start` has put the position there.
    let (data, position) = unsafe {
        let info = abstractions_genl_info_dump(callback).cast_mut();
        let request = Request::from_raw((*callback).skb, info);
        (
            data_of::<D>(request.net()),
            &mut **position_of::<D, L>(callback),
        )
    };
    // SAFETY: one thread at a time writes a page of a list.
    unsafe {
        (*callback).seq = L::version(position, data, false).max(1);
        (*callback).min_dump_alloc = 0;
    }
    // INVARIANT: handed to this function.
    let mut page = Page {
        skb,
        callback,
        is_empty: true,
        _list: PhantomData,
    };
    let is_done = L::page(position, &mut page, data);
    // SAFETY: as above. The message that ends the list tells of changes during the last page.
    unsafe { (*callback).seq = L::version(position, data, true).max(1) };
    match is_done {
        Ok(true) => 0,
        // SAFETY: as above.
        Ok(false) => unsafe { (*skb).len as c_int },
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`start`]; nothing uses the list any more.
pub(super) unsafe extern "C" fn done<D: PerNet, L: List<D>>(
    callback: *mut netlink_callback,
) -> c_int {
    // SAFETY: `start` put it there, and this is called once.
    drop(unsafe { KBox::from_raw(*position_of::<D, L>(callback)) });
    0
}
