// SPDX-License-Identifier: GPL-2.0-only

//! `/proc/memory_info`: for each process name, counts of pages and groups of identical read-only
//! ones.
//!
//! - [`commands`]: what RESET, ALL, FILTER and DEL do;
//! - [`scan`]: RESET, from the list of processes to the counts, by several workers;
//!   [`set_scan`]: the progress of one set of processes, [`set_tables`]: its tables,
//!   [`chunk`]: the scan of a part of an address space, [`batch`]: the walk of one batch of it,
//!   [`sample`]: the sampled bytes of a page, [`reader`]: reading a page as a whole,
//!   [`cancel`]: when a scan ends early, [`hold_time`]: how long it holds locks of others;
//! - [`snapshot`]: the result of a scan, as readers see it.

use abstractions::rcu::BarrierOnDrop;
use abstractions_procfs::FileMode;
use command_file::file::CommandEntry;
use commands::Commands;
use compat::value_of;
use kernel::prelude::*;

mod batch;
mod cancel;
mod chunk;
mod commands;
mod hold_time;
mod reader;
mod sample;
mod scan;
mod set_scan;
mod set_tables;
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
            description: "1: write() fails with ESRCH if no process has the name; 0: only the answer says so (default 0)",
        },
        workers: u32 {
            default: 0,
            description: "Number of threads that a RESET uses, at most one for each CPU (default 0: one for each)",
        },
        mode: u16 {
            default: 0o600,
            description: "Permission bits of /proc/memory_info, such as 0640 (default 0600)",
        },
    },
}

/// The loaded module. Fields are dropped in this order.
struct MemoryInfo {
    _file: CommandEntry<Commands>,
    _callbacks: BarrierOnDrop,
}

impl kernel::Module for MemoryInfo {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let strict = match value_of(module_parameters::strict.value()) {
            0 => false,
            1 => true,
            other => {
                pr_err!("strict={other}: must be 0 or 1\n");
                return Err(EINVAL);
            }
        };
        let mode = value_of(module_parameters::mode.value());
        let mode = FileMode::new(mode).ok_or_else(|| {
            let mask = FileMode::MASK;
            pr_err!("mode={mode:#o}: only permission bits {mask:#o} are allowed\n");
            EINVAL
        })?;
        let callbacks = BarrierOnDrop;
        let commands = Commands::new(
            strict,
            value_of(module_parameters::workers.value()) as usize,
        )?;
        commands.populate()?;
        Ok(Self {
            _file: CommandEntry::create(c"memory_info", mode, commands, GFP_KERNEL)?,
            _callbacks: callbacks,
        })
    }
}
