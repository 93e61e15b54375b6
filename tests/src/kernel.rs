// SPDX-License-Identifier: GPL-2.0-only

//! What tests need of the running kernel: its log, its memory, its settings, its file systems, and fault injection.

pub mod fault_injection;
pub mod log;
pub mod memory;
pub mod mount;
pub mod page_aging;
pub mod setting;
pub mod swap;
