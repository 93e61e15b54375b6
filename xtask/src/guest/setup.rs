// SPDX-License-Identifier: GPL-2.0-only

//! The set-up of a guest, in order: root, kernel, modules, programs, initramfs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::guest::accelerator::Accelerator;
use crate::guest::initramfs;
use crate::guest::machine::Machine;
use crate::guest::modules::{self, Job, Modules};
use crate::guest::probe::fastest;
use crate::guest::redis;
use crate::host::workspace::Workspace;
use crate::kernels::kernel::Kernel;

const INITRAMFS: &str = "initramfs.cpio";

/// The tools and the kernel that modules are built with.
pub struct BuildSetup<'a> {
    workspace: &'a Workspace,
    kernel: Kernel,
}

impl<'a> BuildSetup<'a> {
    /// Makes the tools and the kernel that `requested` names, or the default kernel, if they are not in the cache.
    pub fn new(workspace: &'a Workspace, requested: Option<&str>) -> Result<Self> {
        let kernel = Kernel::get(workspace, requested)?;
        Ok(Self { workspace, kernel })
    }

    /// Returns the kernel that modules are built for.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Runs `job` on the modules' sources for the kernel.
    pub fn make(&self, job: Job) -> Result<Modules> {
        modules::make(self.workspace, &self.kernel, job)
    }
}

/// A guest that is ready to boot.
pub struct Guest<'a> {
    setup: &'a BuildSetup<'a>,
    files: TempDir,
    logs: PathBuf,
    memory: Option<&'static str>,
}

impl<'a> Guest<'a> {
    /// Builds the modules and packs them together with `programs`. `purpose` is part of the name of the
    /// guest's log directory, so it must differ between the guests of a run.
    pub fn new(setup: &'a BuildSetup, purpose: &str, programs: &[PathBuf]) -> Result<Self> {
        Self::with_modules(setup, purpose, programs, setup.make(Job::Build)?, &[])
    }

    /// Builds a guest like [`Self::new`] for the bench: with its yardstick modules, with a Redis server if `redis` is
    /// true, and with `memory` as QEMU and User-mode Linux spell it.
    pub fn for_bench(
        setup: &'a BuildSetup,
        programs: &[PathBuf],
        memory: &'static str,
        redis: bool,
    ) -> Result<Self> {
        let modules = setup.make(Job::BuildForBench)?;
        let redis = match redis {
            true => redis::files(setup.workspace)?,
            false => Vec::new(),
        };
        let guest = Self::with_modules(setup, "bench", programs, modules, &redis)?;
        Ok(guest.with_memory(Some(memory)))
    }

    fn with_modules(
        setup: &'a BuildSetup,
        purpose: &str,
        programs: &[PathBuf],
        modules: Modules,
        redis: &[PathBuf],
    ) -> Result<Self> {
        let workspace = setup.workspace;
        let base = initramfs::base(workspace)?;
        let files = tempfile::Builder::new()
            .prefix("rust-memory-modules-")
            .tempdir()
            .context("cannot make a temporary directory for the initramfs")?;
        let mut in_guest = modules.files.clone();
        in_guest.extend(setup.kernel.guest_modules()?);
        let initramfs = files.path().join(INITRAMFS);
        let packed = [
            ("usr/bin", programs),
            ("modules", &in_guest),
            ("usr/lib/redis", redis),
        ];
        initramfs::write(&initramfs, &base, &workspace.project, &packed)?;
        let name = format!("guest-{}-{purpose}", setup.kernel.name());
        let logs = workspace.cache.dir_for_logs(&name)?;
        Ok(Self {
            setup,
            files,
            logs,
            memory: None,
        })
    }

    /// Returns the guest with `memory` as QEMU and User-mode Linux spell it, if it is not to have that of the kernel.
    pub fn with_memory(self, memory: Option<&'static str>) -> Self {
        Self { memory, ..self }
    }

    /// Returns the description of the guest's kernel for reports.
    pub fn kernel(&self) -> String {
        self.setup.kernel.description()
    }

    /// Returns the factor by which time limits are longer than on the stock kernel.
    pub fn slowdown(&self) -> u32 {
        let recipe = self.setup.kernel.recipe();
        recipe.map_or(1, |recipe| recipe.slowdown)
    }

    /// Returns the machine and its accelerator: the one that is `requested`, else the fastest that works on this host.
    pub fn machine(&self, requested: Option<Accelerator>) -> Result<(Machine<'_>, Accelerator)> {
        let machine = Machine {
            root: self.setup.workspace.root()?,
            kernel: &self.setup.kernel,
            files: self.files.path().to_owned(),
            initramfs: INITRAMFS.to_owned(),
            logs: self.logs.clone(),
            memory: self.memory,
        };
        let accelerator = match requested {
            Some(requested) => requested,
            None => fastest(&self.setup.workspace.cache, &machine)?,
        };
        eprintln!(
            "booting Linux {} {}",
            self.setup.kernel.name(),
            accelerator.name()
        );
        Ok((machine, accelerator))
    }
}
