// SPDX-License-Identifier: GPL-2.0-only

//! The test suites, and the runs on many kernels.

pub mod matrix;
pub mod netlink_spec;
pub mod session;
pub mod stress;
pub mod suites;
pub mod summary;
pub mod vm_suite;
