// SPDX-License-Identifier: GPL-2.0

//! `/proc/memory_info`: for each process name, counts of pages and groups of identical read-only
//! ones.
//!
//! - [`commands`]: the file; takes RESET, ALL, FILTER and DEL and answers them;
//! - [`scan`]: RESET's work, from the list of processes to the counts;
//! - [`snapshot`]: what a scan finds, as readers see it.

use abstractions::procfs::ProcEntry;
use commands::{Commands, MemoryInfoFile};
use kernel::prelude::*;
use kernel::sync::Arc;

mod commands;
mod scan;
mod snapshot;

module! {
    type: MemoryInfo,
    name: "memory_info",
    authors: ["The rust-memory-modules authors"],
    description: "Page counts and identical read-only pages per process name",
    license: "GPL",
    params: {
        strict: u8 {
            default: 0,
            description: "1: a command that names no known process fails with ESRCH (default 0: it only answers so)",
        },
        mode: u16 {
            default: 0o600,
            description: "Permission bits of /proc/memory_info, like 0640 (default 0600)",
        },
    },
}

/// Read and write for owner, group and others.
const MODE_MASK: u16 = 0o666;

/// The loaded module. Fields are dropped in this order.
struct MemoryInfo {
    _file: ProcEntry<MemoryInfoFile>,
    commands: Arc<Commands>,
    _callbacks: WaitForCallbacks,
}

/// Waits, when dropped, for RCU callbacks: their code is about to go.
struct WaitForCallbacks;

impl Drop for WaitForCallbacks {
    fn drop(&mut self) {
        protocol::rcu::barrier();
    }
}

impl kernel::Module for MemoryInfo {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let strict = match *module_parameters::strict.value() {
            0 => false,
            1 => true,
            other => {
                pr_err!("strict={other}: must be 0 or 1\n");
                return Err(EINVAL);
            }
        };
        let mode = *module_parameters::mode.value();
        if mode & !MODE_MASK != 0 {
            pr_err!("mode={mode:#o}: only bits of {MODE_MASK:#o} make sense\n");
            return Err(EINVAL);
        }
        let callbacks = WaitForCallbacks;
        let commands = Commands::new(strict)?;
        commands.populate()?;
        let file = MemoryInfoFile::new(commands.clone());
        Ok(Self {
            _file: ProcEntry::create(c"memory_info", mode, file, GFP_KERNEL)?,
            commands,
            _callbacks: callbacks,
        })
    }
}

impl Drop for MemoryInfo {
    fn drop(&mut self) {
        // Removing the file waits for commands under way: let them end soon.
        self.commands.close();
    }
}
