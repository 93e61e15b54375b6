// SPDX-License-Identifier: GPL-2.0-only

//! Physical pages that processes map, looked at without a trace: no reference and no page-table lock is taken.
//!
//! - [`page_walk`]: the pages that an area maps;
//! - [`mapped_page`]: a page that a walk meets, and its content;
//! - [`frame`]: the content of a frame.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod frame;
pub mod mapped_page;
pub mod page_walk;
