// SPDX-License-Identifier: GPL-2.0-only

//! The messages of `guest-bench`, and the reports that the host makes of them.
//!
//! `guest-bench` measures in the guest and prints [`Message`]s. The host collects them as [`Samples`]. A [`Report`]
//! computes figures from the samples, compares them with their targets, and writes tables and charts.

mod charts;
mod figures;
mod memory;
mod message;
mod plots;
mod report;
mod samples;
mod targets;
pub mod vm_layout;

pub use figures::NOISE;
pub use memory::available_memory;
pub use message::{Message, Sample, MESSAGE};
pub use report::{Conditions, Report};
pub use samples::Samples;
