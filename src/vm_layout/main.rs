// SPDX-License-Identifier: GPL-2.0-only

//! Where the memory of a process lies: its areas, its segments, the frames it uses, its top-level page
//! table; in the kernel log for the process that is named at load, and through `/proc/vm_layout`.
//!
//! - [`survey`]: looks at a process;
//! - [`commands`]: what is written to the file;
//! - [`report_log`]: the report in the kernel log.

use abstractions::command_file::{errno, CommandEntry, WaitForCallbacks};
use abstractions::procfs::MODE_MASK;
use commands::Commands;
use compat::value_of;
use kernel::prelude::*;
use logic::answer::Failure;
use logic::layout::request::pid_of_parameter;
use survey::Survey;

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
            description: "The process to report about in the kernel log (default: none)",
        },
        mode: u16 {
            default: 0o600,
            description: "Permission bits of /proc/vm_layout, like 0640 (default 0600)",
        },
    },
}

/// What `pid` is if the user gave none.
const NOT_GIVEN: i64 = i64::MIN;

/// The loaded module. Fields are dropped in this order.
struct VmLayout {
    _file: CommandEntry<Commands>,
    _callbacks: WaitForCallbacks,
}

impl kernel::Module for VmLayout {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mode = value_of(module_parameters::mode.value());
        if mode & !MODE_MASK != 0 {
            pr_err!("mode={mode:#o}: only bits of {MODE_MASK:#o} make sense\n");
            return Err(EINVAL);
        }
        let pid = value_of(module_parameters::pid.value());
        if pid != NOT_GIVEN {
            report(pid).map_err(|failure| {
                pr_err!("pid={pid}: {}\n", explanation(failure));
                errno(failure)
            })?;
        }
        let callbacks = WaitForCallbacks;
        Ok(Self {
            _file: CommandEntry::create(c"vm_layout", mode, Commands, GFP_KERNEL)?,
            _callbacks: callbacks,
        })
    }
}

fn report(pid: i64) -> Result<(), Failure> {
    let pid = pid_of_parameter(pid).map_err(|_| Failure::InvalidArgument)?;
    let survey = Survey::of(pid)?;
    report_log::print(&survey.layout())
}

/// Why there is no report, in a sentence.
fn explanation(failure: Failure) -> &'static str {
    match failure {
        Failure::NoSuchProcess => "there is no process with this id",
        Failure::KernelThread => "this is a kernel thread, which has no memory of its own",
        Failure::Exited => "this process has exited, and its memory is gone",
        Failure::InvalidArgument => "a process id is greater than 0",
        Failure::NoMemory => "there is not enough memory for the report",
        Failure::Interrupted => "loading was interrupted by a signal",
        Failure::BadAddress | Failure::Closing => failure.line().trim_ascii_end(),
    }
}
