// SPDX-License-Identifier: GPL-2.0-only

//! Memory that runs out: each allocation of each command and of the load fails once. In the group of all tests that need
//! fault injection, since these run on a kernel of their own.

use crate::case::{check_eq, check_text, Case};
use crate::cases::faults::each_allocation_of_a_load;
use crate::crowd;
use crate::fault::Faults;
use crate::layout;
use crate::module::VM_LAYOUT;
use crate::proc_file::{self, NO_MEMORY};
use anyhow::{bail, ensure, Result};
use nix::errno::Errno;
use std::ffi::CString;
use std::io::Read;

pub const CASES: &[Case] = &[
    Case::slow("faults::each_allocation_of_a_text_report", 300, || {
        each_allocation(0)
    }),
    Case::slow("faults::each_allocation_of_a_json_report", 300, || {
        each_allocation(1)
    }),
    Case::slow("faults::each_allocation_of_a_load_with_pid", 600, load),
];

/// More allocations than a command has.
const MANY: u32 = 1_000;

fn each_allocation(json: u8) -> Result<()> {
    let faults = Faults::set_up()?;
    let steady = crowd::one("steady", &[1, 2])?;
    let _module = VM_LAYOUT.load_with("")?;
    let command = format!("{} json={json}\n", steady.pid());
    let expected = proc_file::VM_LAYOUT.answer(&command)?;
    let mut failures = 0;
    for n in 1..MANY {
        let mut file = proc_file::VM_LAYOUT.open()?;
        let tried = faults.at(n, || proc_file::write(&file, command.as_bytes()))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        match tried.outcome {
            Ok(length) => {
                check_eq("what write returns", length, command.len())?;
                check_text("the answer", text, &expected)?;
            }
            Err(errno) => {
                failures += 1;
                check_eq("what write fails with", errno, Errno::ENOMEM)?;
                check_text("the answer", text, NO_MEMORY)?;
            }
        }
        if tried.short_by > 0 {
            ensure!(failures > 0, "no allocation made it fail");
            return Ok(());
        }
    }
    bail!("{command:?} still allocates after {MANY} allocations")
}

fn load() -> Result<()> {
    let steady = crowd::one("steady", &[1, 2])?;
    let parameters = CString::new(format!("pid={}", steady.pid()))?;
    each_allocation_of_a_load(VM_LAYOUT, c"mode=0777", &parameters, || {
        let text = proc_file::VM_LAYOUT.answer(format!("{}\n", steady.pid()))?;
        layout::parse_text(&text).map(drop)
    })
}
