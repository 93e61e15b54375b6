// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading the project's kernel modules.
//!
//! Needs `CAP_SYS_MODULE`. Manual pages: finit_module(2), delete_module(2).

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A kernel module, by its name. The guest has the modules in `/modules/<name>.ko`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelModule {
    name: &'static str,
}

/// The module `memory_info`.
pub const MEMORY_INFO: KernelModule = KernelModule::named("memory_info");
/// The module `vm_layout`.
pub const VM_LAYOUT: KernelModule = KernelModule::named("vm_layout");
/// The module `moddb`.
pub const MODDB: KernelModule = KernelModule::named("moddb");

impl KernelModule {
    /// Describes the module `name`, whether the guest has it or not.
    pub const fn named(name: &'static str) -> Self {
        Self { name }
    }

    /// Returns the name under which the kernel knows the module.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the path of the module's file.
    pub fn file(self) -> PathBuf {
        PathBuf::from(format!("/modules/{}.ko", self.name))
    }

    /// Returns the path of the file in `/proc` that the module would create.
    pub fn proc_path(self) -> PathBuf {
        Path::new("/proc").join(self.name)
    }

    /// Returns true if the guest has the module's file.
    pub fn is_available(self) -> bool {
        self.file().exists()
    }

    /// Returns true if the module is loaded.
    pub fn is_loaded(self) -> bool {
        Path::new("/sys/module").join(self.name).exists()
    }

    /// Returns true if the module's file describes a parameter of this name.
    pub fn has_parameter(self, parameter: &str) -> Result<bool> {
        let file = self.file();
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let described = format!("parm={parameter}:");
        Ok(bytes
            .windows(described.len())
            .any(|window| window == described.as_bytes()))
    }

    /// Opens the module's file for [`Self::load_opened`].
    pub fn open(self) -> Result<File> {
        open(&self.file())
    }

    /// Loads the module with `parameters` in the form that insmod(8) takes them.
    pub fn load(self, parameters: &str) -> Result<LoadedModule> {
        self.load_from(&self.file(), parameters)
    }

    /// Loads the module from another file than its usual one.
    pub fn load_from(self, file: &Path, parameters: &str) -> Result<LoadedModule> {
        self.load_opened(&open(file)?, &CString::new(parameters)?)
            .with_context(|| {
                format!(
                    "cannot load {} with the parameters '{parameters}'",
                    file.display()
                )
            })
    }

    /// Loads the module from its opened file with a single system call.
    ///
    /// # Errors
    ///
    /// Returns the error of finit_module(2).
    pub fn load_opened(self, file: &File, parameters: &CStr) -> Result<LoadedModule, Errno> {
        finit_module(file, parameters, ModuleInitFlags::empty()).map(|()| LoadedModule(self))
    }

    /// Unloads the module and requires that neither it nor its file in `/proc` is left.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, the error contains its [`Errno`]: `EWOULDBLOCK` while the module is in use.
    pub fn unload(self) -> Result<()> {
        let name = CString::new(self.name)?;
        delete_module(&name, DeleteModuleFlags::O_NONBLOCK)
            .with_context(|| format!("cannot unload {}", self.name))?;
        self.check_gone()
    }

    /// Fails if the module is loaded or its file in `/proc` exists.
    pub fn check_gone(self) -> Result<()> {
        let file = self.proc_path();
        ensure!(
            !file.exists(),
            "{} exists although {} is not loaded",
            file.display(),
            self.name
        );
        ensure!(!self.is_loaded(), "{} is still loaded", self.name);
        Ok(())
    }
}

/// A loaded module. Dropping it unloads the module, and prints an error if that fails.
#[must_use = "the module is unloaded immediately when this is unused"]
pub struct LoadedModule(KernelModule);

impl LoadedModule {
    /// Unloads the module; see [`KernelModule::unload`].
    pub fn unload(self) -> Result<()> {
        self.leave_loaded().unload()
    }

    /// Leaves the module loaded when this value goes out of scope.
    pub fn leave_loaded(self) -> KernelModule {
        let module = self.0;
        std::mem::forget(self);
        module
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
        if let Err(error) = self.0.unload() {
            eprintln!("{error:#}");
        }
    }
}

fn open(file: &Path) -> Result<File> {
    File::open(file).with_context(|| format!("cannot open the module {}", file.display()))
}
