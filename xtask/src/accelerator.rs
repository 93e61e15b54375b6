// SPDX-License-Identifier: GPL-2.0-only

//! KVM or emulation: decided by trying, since `/dev/kvm` can exist and still not run a guest.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use crate::cache::{self, Cache};
use crate::guest::{Limits, Machine, Mode};

/// What the guest's processors run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accelerator {
    /// The host's hardware.
    Kvm,
    /// QEMU's emulation.
    Tcg,
    /// QEMU's emulation of a processor with five levels of page tables.
    TcgFiveLevels,
    /// The host's own, as a program of the host's: User-mode Linux.
    Native,
}

impl Accelerator {
    /// QEMU's options for it; none where there is no QEMU.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Accelerator::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "qemu64"],
            Accelerator::TcgFiveLevels => &["-accel", "tcg,thread=multi", "-cpu", "qemu64,+la57"],
            Accelerator::Native => &[],
        }
    }

    /// What a person is told that a guest boots in.
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "in QEMU with KVM",
            Accelerator::Tcg => "in QEMU with emulation (no usable KVM)",
            Accelerator::TcgFiveLevels => "in QEMU with emulation of five levels of page tables",
            Accelerator::Native => "as User-mode Linux",
        }
    }

    /// The verdict for this machine, from the cache or from a boot of `machine` that has to speak in time.
    pub fn probe(cache: &Cache, machine: &Machine) -> Result<Self> {
        if machine
            .kernel
            .recipe()
            .is_some_and(|recipe| recipe.user_mode)
        {
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
        let seconds = Duration::from_secs(10);
        let limits = Limits {
            total: seconds,
            silence: seconds,
        };
        let works = matches!(
            machine.run(Accelerator::Kvm, &Mode::Probe, limits, |_| ()),
            Ok(0)
        );
        cache::replace_file(&file, if works { "works" } else { "fails" })?;
        Ok(if works {
            Accelerator::Kvm
        } else {
            Accelerator::Tcg
        })
    }
}
