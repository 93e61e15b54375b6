// SPDX-License-Identifier: GPL-2.0-only

//! What the workers of a scan share.

pub mod cancellation;
pub mod content_table;
pub mod frame_set;
pub mod word_table;
pub mod work_stealing;
