// SPDX-License-Identifier: GPL-2.0-only

//! Exhausted memory: each allocation of each command and of the load fails once.

use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::crowd;
use crate::kernel::fault_injection::load::fail_each_allocation_of_a_load;
use crate::kernel::fault_injection::Faults;
use crate::module::VM_LAYOUT;
use crate::vm_layout::{self, NO_MEMORY};
use anyhow::{bail, ensure, Result};
use nix::errno::Errno;
use std::ffi::CString;
use std::io::Read;

cases! {
    each_allocation_of_a_text_report (300 s) => || each_allocation(0),
    each_allocation_of_a_json_report (300 s) => || each_allocation(1),
    each_allocation_of_a_load_with_pid (600 s),
}

/// More allocations than any command makes.
const MANY: u32 = 1_000;

fn each_allocation(json: u8) -> Result<()> {
    let faults = Faults::set_up()?;
    let steady = crowd::one("steady", &[1, 2])?;
    let _module = VM_LAYOUT.load()?;
    let command = format!("{} json={json}\n", steady.pid());
    let expected = vm_layout::FILE.answer(&command)?;
    let mut failures = 0;
    for n in 1..MANY {
        let mut file = vm_layout::FILE.open()?;
        let tried = faults.at(n, || command_file::write(&file, command.as_bytes()))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        match tried.outcome {
            Ok(length) => {
                check_eq("the result of write", length, command.len())?;
                check_text("the answer", text, &expected)?;
            }
            Err(errno) => {
                failures += 1;
                check_eq("the error of write", errno, Errno::ENOMEM)?;
                check_text("the answer", text, NO_MEMORY)?;
            }
        }
        if tried.short_by > 0 {
            ensure!(failures > 0, "no failed allocation made the command fail");
            return Ok(());
        }
    }
    bail!("{command:?} still allocates after {MANY} allocations")
}

fn each_allocation_of_a_load_with_pid() -> Result<()> {
    let steady = crowd::one("steady", &[1, 2])?;
    let parameters = CString::new(format!("pid={}", steady.pid()))?;
    fail_each_allocation_of_a_load(VM_LAYOUT, c"mode=0777", &parameters, || {
        let text = vm_layout::FILE.answer(format!("{}\n", steady.pid()))?;
        vm_layout::parse_text(&text).map(drop)
    })
}
