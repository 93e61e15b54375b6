// SPDX-License-Identifier: GPL-2.0-only

//! The pure logic of `vm_layout`: see [`logic`] for the rules that it follows.
//!
//! - [`request`]: what is written to `/proc/vm_layout`;
//! - [`failure`]: why there is no report, and what the file then shows;
//! - [`layout`]: the data of a report;
//! - [`top_level`]: the top-level page table, entry by entry;
//! - [`text_report`]: the report for people, line by line;
//! - [`json_report`]: the same for programs;
//! - [`log_lines`]: the report cut into lines that fit into records of the kernel log.

#![forbid(unsafe_code)]

pub mod failure;
pub mod json_report;
pub mod layout;
pub mod log_lines;
pub mod request;
pub mod text_report;
pub mod top_level;
