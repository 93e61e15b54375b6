// SPDX-License-Identifier: GPL-2.0-only

//! Loads of a module in which one allocation fails.

use super::Faults;
use crate::case::check_eq;
use crate::module::Module;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::ffi::CStr;

/// More allocations than any load makes.
const MANY: u32 = 5_000;

/// Loads the module with `parameters` repeatedly, and each time another allocation of the module's own code fails. The load
/// must fail with ENOMEM and leave nothing behind, or succeed, and then `works` must succeed.
///
/// The allocations of the kernel's module loader come before those of the module and are not tested: the kernel logs a
/// warning for some of their failures. Their number is found with a load that the first lines of the module reject because
/// of the parameters `refused`.
pub fn fail_each_allocation_of_a_load(
    module: Module,
    refused: &CStr,
    parameters: &CStr,
    works: impl Fn() -> Result<()>,
) -> Result<()> {
    let faults = Faults::set_up()?;
    let file = module.open()?;
    // Some memory is allocated by the first load only.
    module.load_with(parameters.to_str()?)?.unload()?;
    // Upper bound of the allocations that follow the rejection of the parameters.
    const MARGIN: u32 = 60;
    let tried = faults.at(MANY, || module.load_opened(&file, refused))?;
    check_eq(
        "the error of a rejected load",
        tried.outcome.err(),
        Some(Errno::EINVAL),
    )?;
    let mut made = MANY - tried.short_by;
    // The number of allocations of the loader varies with the state of the allocators.
    for _ in 0..5 {
        let (mut failures, mut ended) = (0, false);
        for n in made.saturating_sub(MARGIN)..MANY {
            let tried = faults.at(n, || module.load_opened(&file, parameters))?;
            match tried.outcome {
                Ok(loaded) => {
                    works()?;
                    loaded.unload()?;
                    if tried.short_by > 0 {
                        made = n - tried.short_by;
                        ended = true;
                        break;
                    }
                }
                Err(errno) => {
                    failures += 1;
                    check_eq(
                        &format!("the error of the load whose allocation {n} failed"),
                        errno,
                        Errno::ENOMEM,
                    )?;
                    module
                        .check_gone()
                        .with_context(|| format!("allocation {n}"))?;
                }
            }
        }
        ensure!(ended, "the load still allocates after {MANY} allocations");
        if failures > 0 {
            return Ok(());
        }
    }
    bail!("no failure of one of the last of {made} allocations made the load fail")
}
