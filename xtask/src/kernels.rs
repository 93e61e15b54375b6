// SPDX-License-Identifier: GPL-2.0-only

//! The kernels that modules are built for and guests boot: which ones, and how each is made.

pub mod kernel;
pub mod own;
pub mod release;
pub mod results;
pub mod source;
pub mod stock;
pub mod supported;
