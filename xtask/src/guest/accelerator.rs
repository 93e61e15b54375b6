// SPDX-License-Identifier: GPL-2.0-only

//! What a guest's processors can run on.

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
}
