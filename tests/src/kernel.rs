// SPDX-License-Identifier: GPL-2.0-only

//! What tests need of the running kernel: its log, its memory, its settings, and fault injection.

pub mod fault_injection;
pub mod log;
pub mod memory;
pub mod setting;
