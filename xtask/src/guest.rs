// SPDX-License-Identifier: GPL-2.0-only

//! The guest: its initramfs, its modules and programs, and how it is booted and monitored.

pub mod accelerator;
pub mod archive;
pub mod complaints;
pub mod demo;
pub mod initramfs;
pub mod machine;
pub mod modules;
pub mod probe;
pub mod programs;
pub mod redis;
pub mod setup;
