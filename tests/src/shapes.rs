// SPDX-License-Identifier: GPL-2.0-only

//! The shapes that helper processes can take: memory layouts and families of processes that modules and oracles examine.
//!
//! A helper process that takes a shape is a worker. It stops itself when it is ready, so that nothing of it changes.

mod anonymous;
mod churn;
mod classes;
mod family;
mod file;
mod huge;
pub mod large;
mod memory_info_asker;
mod merged;
mod stuck;
mod swapped;
mod vm_layout_asker;

pub use file::{contents as file_contents, io_uring};

use anyhow::{bail, Context, Result};
use guest::child::hold;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::ffi::CString;
use std::process::ExitCode;

/// Name of a shape, and the function that sets it up from the argument of the shape.
type Shape = (&'static str, fn(&str) -> Result<()>);

/// Errors of calls on a module's file while the module is unloaded. `ENODEV` is for a command in progress.
const MODULE_IS_GONE: [Errno; 3] = [Errno::ENOENT, Errno::EIO, Errno::ENODEV];

/// The shapes that a worker can take.
const SHAPES: &[Shape] = &[
    ("plain", |_| Ok(())),
    ("patterns", anonymous::patterns),
    ("zero-pages", anonymous::zero_pages),
    ("protections", anonymous::protections),
    ("holes", anonymous::holes),
    ("sparse", anonymous::sparse),
    ("secret", anonymous::secret),
    ("shared", anonymous::shared),
    ("advised", anonymous::advised),
    ("many-areas", anonymous::many_areas),
    ("classes", classes::still),
    ("merged-classes", classes::merged),
    ("touched-classes", classes::touched),
    ("collapsed-classes", classes::collapsed),
    ("stuck", stuck::stuck),
    ("swapped", swapped::swapped),
    ("merged", merged::merged),
    ("file", file::mappings),
    ("device", file::device),
    ("inserted-pages", file::inserted_pages),
    ("huge", huge::whole),
    ("huge-partial", huge::partial),
    ("huge-file", huge::file),
    ("huge-zero", huge::zero),
    ("hugetlb", huge::hugetlb),
    ("forks", family::forks),
    ("copy-on-write", family::copy_on_write),
    ("threads", family::threads),
    ("leader-exited", family::leader_exited),
    ("vfork", family::vfork),
    ("clone-vm", family::clone_vm),
    ("namespace", family::namespace),
    ("churn", churn::churn),
    ("memory-info-storm", memory_info_asker::storm),
    ("memory-info-asker", memory_info_asker::asker),
    ("vm-layout-asker", vm_layout_asker::asker),
];

/// Renames this process to `comm`, takes the shape `shape`, and stops until it is killed.
pub fn become_shape(comm: &str, shape: &str, argument: Option<&str>) -> Result<ExitCode> {
    let Some((_, set_up)) = SHAPES.iter().find(|(name, _)| *name == shape) else {
        bail!("no shape has the name '{shape}'");
    };
    rename(comm.as_bytes())?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    set_up(argument.unwrap_or_default()).with_context(|| format!("worker {shape} of {comm}"))?;
    hold()
}

/// Sets the `comm` of this thread.
pub fn rename(comm: &[u8]) -> Result<()> {
    nix::sys::prctl::set_name(&CString::new(comm)?).context("cannot change the process name")
}
