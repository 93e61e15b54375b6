// SPDX-License-Identifier: GPL-2.0-only

//! The run on moddb: programs use keys of their own and keys that all of them write, and check every answer. Other
//! processes do the same in network namespaces of their own.

mod check;
mod namespace;
mod own_keys;
mod value;
mod worker;

pub use namespace::run as run_in_namespaces;
pub use worker::{run as run_worker, Plan};
