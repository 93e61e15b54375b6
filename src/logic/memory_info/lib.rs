// SPDX-License-Identifier: GPL-2.0-only

//! The pure logic of `memory_info`: see [`logic`] for the rules that it follows.
//!
//! - [`command`]: what is written to `/proc/memory_info`;
//! - [`failure`]: why a command failed, and what the file then shows;
//! - [`counts`]: the numbers of one set of processes;
//! - [`report`]: a set as one line of text;
//! - [`page_hash`]: hashes of a page and of a sample of it; [`page_compare`]: whether two pages are the same.

#![forbid(unsafe_code)]

pub mod command;
pub mod counts;
pub mod failure;
pub mod page_compare;
pub mod page_hash;
pub mod report;
