// SPDX-License-Identifier: GPL-2.0-only

//! The choice between KVM and emulation. It boots a guest, because `/dev/kvm` may exist but not work.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use crate::guest::accelerator::Accelerator;
use crate::guest::machine::{Limits, Machine, Mode};
use crate::host::cache::{self, Cache};

/// How long a guest that runs with KVM may take to print its first line, several times the usual time.
const TIME_TO_ANSWER: Duration = Duration::from_secs(10);

/// Returns the fastest accelerator that `machine` can run on. The answer is cached; without it, the machine is booted
/// with KVM and must answer within [`TIME_TO_ANSWER`].
pub fn fastest(cache: &Cache, machine: &Machine) -> Result<Accelerator> {
    if machine.is_user_mode() {
        return Ok(Accelerator::Native);
    }
    let usable = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    if usable.is_err() {
        return Ok(Accelerator::Tcg);
    }
    // A verdict holds until the host is booted again.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let file = cache.file(&format!("kvm-{}", cache::key(&[&boot])));
    match fs::read_to_string(&file).as_deref() {
        Ok("works") => return Ok(Accelerator::Kvm),
        Ok("fails") => return Ok(Accelerator::Tcg),
        _ => {}
    }
    let limits = Limits {
        total: TIME_TO_ANSWER,
        silence: TIME_TO_ANSWER,
    };
    let probed = machine.run(Accelerator::Kvm, &Mode::Probe, limits, |_| ());
    let works = matches!(probed, Ok(0));
    cache::replace_file(&file, if works { "works" } else { "fails" })?;
    Ok(if works {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    })
}
