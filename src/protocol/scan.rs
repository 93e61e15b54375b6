// SPDX-License-Identifier: GPL-2.0-only

//! What the workers of a scan share.
//!
//! - [`work_stealing`]: the distribution of chunks over the workers, and their waiting for each other;
//! - [`cancellation`]: the first failure, which ends the work of all;
//! - [`word_table`]: a lock-free hash table; on it, [`frame_set`]: the frames of a set, and
//!   [`content_table`]: its pages by content, in [`content_word`]s, and their places in a [`record_table`].

pub mod cancellation;
pub mod content_table;
pub mod content_word;
pub mod frame_set;
pub mod record_table;
pub mod word_table;
pub mod work_stealing;
