// SPDX-License-Identifier: GPL-2.0-only

//! Files in `/proc` that take commands and show answers: one `write(2)` is one command, and the next read
//! shows its answer. Which answer a reader gets is decided by [`protocol::answers`].
//!
//! A module implements [`CommandHandler`](handler::CommandHandler) and creates a
//! [`CommandEntry`](file::CommandEntry) with it.
//!
//! - [`handler`]: what a module provides;
//! - [`text`]: the memory of answers, which is limited;
//! - [`answer`]: answers as they are kept, those included that need no memory when they are given;
//! - [`lineage`]: the calling process and its ancestors;
//! - [`file`]: the file and its open descriptors.

#![deny(missing_docs, unsafe_code)]

mod answer;
pub mod file;
pub mod handler;
mod lineage;
pub mod text;
