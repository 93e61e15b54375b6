// SPDX-License-Identifier: GPL-2.0-only

//! What commands need of this machine: the cache, the checkout, and the tool root with its programs.

pub mod cache;
pub mod chroot;
pub mod privilege;
pub mod progress;
pub mod project;
pub mod root;
pub mod workspace;
