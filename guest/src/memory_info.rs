// SPDX-License-Identifier: GPL-2.0-only

//! The file of `memory_info` and its fixed answers.

/// Path of the file.
pub const PATH: &str = "/proc/memory_info";

/// Whole answer to a RESET or DEL that succeeded.
pub const SUCCESS: &str = "[SUCCESS]\n";
/// Whole answer to a command that found no process.
pub const NO_PROCESS: &str = "[ERROR]: No such process\n";
/// Whole answer to a malformed command.
pub const INVALID: &str = "[ERROR]: Invalid argument\n";
/// Whole answer to a command that could not be copied from the caller.
pub const BAD_ADDRESS: &str = "[ERROR]: Bad address\n";
/// Whole answer to a command for which memory was exhausted.
pub const NO_MEMORY: &str = "[ERROR]: Memory allocation error\n";
