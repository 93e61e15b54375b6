// SPDX-License-Identifier: GPL-2.0-only

//! Generic netlink families, whose data is kept for each network namespace.
//!
//! - [`family`]: registration of a family;
//! - [`operation`]: its operations and the policies of their attributes;
//! - [`request`]: a request and its sender;
//! - [`message`]: replies and notifications with attributes;
//! - [`dump`]: replies of any length;
//! - [`net_namespace`]: data of network namespaces.
//!
//! Requests are handled on their senders' threads, several at once. A family and its module stay while they are
//! used: unregistering a family waits for the requests that are being handled, and an unfinished dump keeps the
//! module loaded.
//!
//! C header: `include/net/genetlink.h`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod dump;
pub mod family;
pub mod message;
pub mod net_namespace;
pub mod operation;
pub mod request;

/// Bytes of a message besides its attributes: the headers of netlink and of generic netlink.
pub const MESSAGE_HEADERS: usize = 20;
