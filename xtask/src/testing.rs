// SPDX-License-Identifier: GPL-2.0-only

//! The test suites, and the runs on many kernels.

// Before the others, which use its macro.
#[macro_use]
pub mod suite;

pub mod linkage;
pub mod matrix;
pub mod netlink_spec;
pub mod quick;
pub mod session;
pub mod stress;
pub mod suites;
pub mod summary;
pub mod vm_suite;
