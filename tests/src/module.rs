// SPDX-License-Identifier: GPL-2.0-only

//! The modules under test, and which of them this kernel can load.

use crate::case::skip;
use anyhow::{anyhow, Context, Result};
use guest::module::{self, KernelModule, LoadedModule};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::File;
use std::ops::Deref;

/// A module under test.
#[derive(Clone, Copy)]
pub struct Module {
    kernel_module: KernelModule,
    /// True if the module needs the page tables of x86, which User-mode Linux does not have.
    needs_x86: bool,
}

/// The module `memory_info`.
pub const MEMORY_INFO: Module = Module {
    kernel_module: module::MEMORY_INFO,
    needs_x86: false,
};
/// The module `vm_layout`.
pub const VM_LAYOUT: Module = Module {
    kernel_module: module::VM_LAYOUT,
    needs_x86: true,
};
/// The module `moddb`.
pub const MODDB: Module = Module {
    kernel_module: module::MODDB,
    needs_x86: false,
};
/// Every module under test.
pub const ALL: [Module; 3] = [MEMORY_INFO, VM_LAYOUT, MODDB];

impl Module {
    /// Loads the module with default parameters.
    pub fn load(&self) -> Result<LoadedModule> {
        self.load_with("")
    }

    /// Loads the module with `parameters` in the form that insmod(8) takes them.
    pub fn load_with(&self, parameters: &str) -> Result<LoadedModule> {
        self.try_load(parameters)?.map_err(|errno| {
            anyhow!(
                "loading {} with the parameters '{parameters}' failed: {errno}",
                self.name()
            )
        })
    }

    /// Loads the module with `parameters`. The inner result is that of finit_module(2).
    pub fn try_load(&self, parameters: &str) -> Result<Result<LoadedModule, Errno>> {
        Ok(self.load_opened(&self.open()?, &CString::new(parameters)?))
    }

    /// Opens the module's file for [`KernelModule::load_opened`]. Skips the test if this kernel cannot have the module.
    pub fn open(&self) -> Result<File> {
        if self.needs_x86 && is_user_mode_linux()? {
            return skip(format!("{} is not built for User-mode Linux", self.name()));
        }
        self.kernel_module.open()
    }
}

impl Deref for Module {
    type Target = KernelModule;

    fn deref(&self) -> &KernelModule {
        &self.kernel_module
    }
}

fn is_user_mode_linux() -> Result<bool> {
    let processors =
        std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    Ok(processors.contains("User Mode Linux"))
}
