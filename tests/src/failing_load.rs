// SPDX-License-Identifier: GPL-2.0-only

//! Loads of a module in which one allocation fails.

use crate::case::check_eq;
use crate::fault::Faults;
use crate::module::Module;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::ffi::CStr;

/// More allocations than any load makes.
const MANY: u32 = 5_000;

/// Each allocation of the module's own code when it is loaded with `parameters`; loaded, it must do what `works` asks.
/// Those of the kernel's loader come first, and are its own affair (it also logs some of their failures with a trace).
/// Where they end is seen from a load that the module's first lines refuse, with the parameters `refused`.
pub fn fail_each_allocation_of_a_load(
    module: Module,
    refused: &CStr,
    parameters: &CStr,
    works: impl Fn() -> Result<()>,
) -> Result<()> {
    let faults = Faults::set_up()?;
    let file = module.open()?;
    // Some memory is got once for all loads.
    module.load_with(parameters.to_str()?)?.unload()?;
    // What is made after the refusal, on the way out, is less than the margin.
    const MARGIN: u32 = 60;
    let tried = faults.at(MANY, || module.load_opened(&file, refused))?;
    check_eq("a refused load", tried.outcome.err(), Some(Errno::EINVAL))?;
    let mut made = MANY - tried.short_by;
    // How many the loader makes varies with what memory is at hand.
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
                        &format!("allocation {n}: the load's error"),
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
    bail!("none of the last of {made} allocations made the load fail")
}
