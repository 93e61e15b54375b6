// SPDX-License-Identifier: GPL-2.0-only

//! All that a guest needs, in order: root, kernel, modules, programs, initramfs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::accelerator::Accelerator;
use crate::cache::Cache;
use crate::chroot;
use crate::guest::Machine;
use crate::initramfs;
use crate::kernel::Kernel;
use crate::module::{self, Job, Modules};
use crate::project::Project;
use crate::redis;
use crate::root::Root;
use crate::specification;

const INITRAMFS: &str = "initramfs.cpio";

/// Where a run works.
pub struct Workspace {
    /// What all checkouts share.
    pub cache: Cache,
    /// This checkout.
    pub project: Project,
}

impl Workspace {
    /// Opens the cache and the checkout.
    pub fn open() -> Result<Self> {
        Ok(Self {
            cache: Cache::open()?,
            project: Project::open()?,
        })
    }
}

/// The tools and a kernel: what building modules needs.
pub struct Setup<'a> {
    workspace: &'a Workspace,
    root: Root,
    kernel: Kernel,
}

impl<'a> Setup<'a> {
    /// Gets the tools and the kernel `wanted`, else the default one.
    pub fn new(workspace: &'a Workspace, wanted: Option<&str>) -> Result<Self> {
        chroot::authenticate()?;
        let root = Root::get(&workspace.cache)?;
        let kernel = Kernel::get(&workspace.cache, &root, wanted)?;
        Ok(Self {
            workspace,
            root,
            kernel,
        })
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Checks moddb's netlink specification by the kernel's own tools.
    pub fn check_specification(&self) -> Result<()> {
        let Workspace { cache, project } = self.workspace;
        let chroot = self.kernel.chroot(&self.root);
        specification::check(cache, &self.root, chroot, &project.dir.join("src/moddb"))
    }

    /// Does `job` with the modules' sources for the kernel.
    pub fn make(&self, job: Job) -> Result<Modules> {
        module::make(self.workspace, &self.root, &self.kernel, job)
    }
}

/// A guest that is ready to boot.
pub struct Guest<'a> {
    setup: &'a Setup<'a>,
    files: TempDir,
    logs: PathBuf,
    memory: Option<&'static str>,
}

impl<'a> Guest<'a> {
    /// Builds the modules and packs them together with `programs`. `purpose` tells its logs from those of other
    /// guests of this run.
    pub fn new(setup: &'a Setup, purpose: &str, programs: &[PathBuf]) -> Result<Self> {
        Self::with_modules(setup, purpose, programs, setup.make(Job::Build)?, &[])
    }

    /// The same with the bench's modules too, a Redis server if `redis`, and `memory` as QEMU and User-mode Linux spell
    /// it.
    pub fn for_bench(
        setup: &'a Setup,
        programs: &[PathBuf],
        memory: &'static str,
        redis: bool,
    ) -> Result<Self> {
        let modules = setup.make(Job::BuildForBench)?;
        let redis = match redis {
            true => redis::files(&setup.workspace.cache, &setup.root)?,
            false => Vec::new(),
        };
        let guest = Self::with_modules(setup, "bench", programs, modules, &redis)?;
        Ok(Self {
            memory: Some(memory),
            ..guest
        })
    }

    fn with_modules(
        setup: &'a Setup,
        purpose: &str,
        programs: &[PathBuf],
        modules: Modules,
        redis: &[PathBuf],
    ) -> Result<Self> {
        let Workspace { cache, project } = setup.workspace;
        let base = initramfs::base(cache, &setup.root)?;
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
        initramfs::write(&initramfs, &base, project, &packed)?;
        let name = format!("guest-{}-{purpose}", setup.kernel.name());
        let logs = cache.dir_for_logs(&name)?;
        Ok(Self {
            setup,
            files,
            logs,
            memory: None,
        })
    }

    /// What a person calls the kernel that it boots.
    pub fn kernel(&self) -> String {
        self.setup.kernel.description()
    }

    /// How much longer than on the stock kernel things may take.
    pub fn patience(&self) -> u32 {
        let recipe = self.setup.kernel.recipe();
        recipe.map_or(1, |recipe| recipe.patience)
    }

    /// The machine, and what it runs on here: what is `wanted`, else the fastest that works.
    pub fn machine(&self, wanted: Option<Accelerator>) -> Result<(Machine<'_>, Accelerator)> {
        let machine = Machine {
            root: &self.setup.root,
            kernel: &self.setup.kernel,
            files: self.files.path().to_owned(),
            initramfs: INITRAMFS.to_owned(),
            logs: self.logs.clone(),
            memory: self.memory,
        };
        let accelerator = match wanted {
            Some(wanted) => wanted,
            None => Accelerator::probe(&self.setup.workspace.cache, &machine)?,
        };
        eprintln!(
            "booting Linux {} {}",
            self.setup.kernel.name(),
            accelerator.name()
        );
        Ok((machine, accelerator))
    }
}
