// SPDX-License-Identifier: GPL-2.0-only

//! The pure logic of `moddb`: see [`logic`] for the rules that it follows. The netlink interface is
//! specified in `src/moddb/moddb.yaml`.
//!
//! - [`numbers`]: operations, attributes and limits of the interface;
//! - [`attributes`]: netlink attributes as bytes;
//! - [`entry`]: the entries of a request;
//! - [`size`]: lengths of messages;
//! - [`refusal`]: why a request is refused.

#![forbid(unsafe_code)]

pub mod attributes;
pub mod entry;
pub mod numbers;
pub mod refusal;
pub mod size;
