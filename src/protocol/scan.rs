// SPDX-License-Identifier: GPL-2.0-only

//! What the workers of a scan share.

pub mod cancellation;
pub mod work_stealing;
