// SPDX-License-Identifier: GPL-2.0-only

//! Physical pages that processes map.
//!
//! - [`page`]: a page that is pinned, and its content;
//! - [`mapped_page`]: a page that a walk meets;
//! - [`page_walk`]: the pages that an area maps;
//! - [`pinned_frames`]: a set of pinned pages.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

pub mod mapped_page;
pub mod page;
pub mod page_walk;
pub mod pinned_frames;
