// SPDX-License-Identifier: GPL-2.0-only

//! The ways to run a guest's processors.

/// The way that the guest's processors are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accelerator {
    /// QEMU with the host's hardware, through KVM.
    Kvm,
    /// QEMU's emulation of a processor.
    Tcg,
    /// QEMU's emulation of a processor with five levels of page tables.
    TcgFiveLevels,
    /// User-mode Linux, a kernel that runs as a program of the host.
    Native,
}

impl Accelerator {
    /// Returns the options for QEMU; none for User-mode Linux.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Accelerator::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "qemu64"],
            Accelerator::TcgFiveLevels => &["-accel", "tcg,thread=multi", "-cpu", "qemu64,+la57"],
            Accelerator::Native => &[],
        }
    }

    /// Returns a description for the message that a guest boots.
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "in QEMU with KVM",
            Accelerator::Tcg => "in QEMU with emulation (no usable KVM)",
            Accelerator::TcgFiveLevels => "in QEMU with emulation of five levels of page tables",
            Accelerator::Native => "as User-mode Linux",
        }
    }
}
