// SPDX-License-Identifier: GPL-2.0-only

//! `vm_layout`: reports the layout of a process's memory: areas, segments, usage, top-level page table. The report is
//! written to the kernel log for the process that is named when the module is loaded, and can be read from
//! `/proc/vm_layout` for any process.
//!
//! - [`survey`]: takes the data of a process;
//! - [`area_names`]: the names of its areas;
//! - [`commands`]: requests that are written to the file;
//! - [`report_log`]: the report in the kernel log.

use abstractions::errno::error_of;
use abstractions::rcu::BarrierOnDrop;
use abstractions_procfs::FileMode;
use abstractions_task::current::memory_is_locked_down;
use command_file::file::CommandEntry;
use commands::ReportCommand;
use compat::value_of;
use kernel::prelude::*;
use logic::command_line::CommandFailure;
use logic_vm_layout::failure::ReportFailure;
use logic_vm_layout::request::pid_of_parameter;
use survey::{Frames, Survey};

mod area_names;
mod commands;
mod report_log;
mod survey;

module! {
    type: VmLayout,
    name: "vm_layout",
    authors: ["The rust-memory-modules authors"],
    description: "Where the memory of a process lies",
    license: "GPL",
    params: {
        pid: i64 {
            // NOT_GIVEN
            default: -9223372036854775808,
            description: "Id of a process whose layout is written to the kernel log (default: none)",
        },
        mode: u16 {
            default: 0o600,
            description: "Permission bits of /proc/vm_layout, like 0640 (default 0600)",
        },
    },
}

/// The value of `pid` if the user gave none.
const NOT_GIVEN: i64 = i64::MIN;

/// The loaded module. Its fields are dropped in this order.
struct VmLayout {
    _file: CommandEntry<ReportCommand>,
    _callbacks: BarrierOnDrop,
}

impl kernel::Module for VmLayout {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mode = value_of(module_parameters::mode.value());
        let mode = FileMode::new(mode).ok_or_else(|| {
            let mask = FileMode::MASK;
            pr_err!("mode={mode:#o}: only permission bits {mask:#o} are allowed\n");
            EINVAL
        })?;
        let pid = value_of(module_parameters::pid.value());
        if pid != NOT_GIVEN {
            report(pid).map_err(|failure| {
                pr_err!("pid={pid}: {}\n", failure.load_message());
                error_of(failure.errno())
            })?;
        }
        let callbacks = BarrierOnDrop;
        Ok(Self {
            _file: CommandEntry::create(c"vm_layout", mode, ReportCommand, GFP_KERNEL)?,
            _callbacks: callbacks,
        })
    }
}

fn report(pid: i64) -> Result<(), ReportFailure> {
    let pid = pid_of_parameter(pid)?;
    // The caller, which has CAP_SYS_MODULE, is not asked for other capabilities.
    let frames = match memory_is_locked_down() {
        true => Frames::Hidden,
        false => Frames::Shown,
    };
    let survey = Survey::of(pid, frames)?;
    report_log::print(&survey.layout())?;
    Ok(())
}
