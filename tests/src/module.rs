// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading the modules under test.

use crate::case::skip;
use anyhow::{anyhow, bail, Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::{Path, PathBuf};

/// One of the project's modules.
#[derive(Clone, Copy)]
pub struct Module {
    name: &'static str,
    /// Whether it is about the page tables that x86 has and User-mode Linux has not.
    needs_x86: bool,
}

/// `memory_info`.
pub const MEMORY_INFO: Module = Module {
    name: "memory_info",
    needs_x86: false,
};
/// `vm_layout`.
pub const VM_LAYOUT: Module = Module {
    name: "vm_layout",
    needs_x86: true,
};
/// `moddb`.
pub const MODDB: Module = Module {
    name: "moddb",
    needs_x86: false,
};
/// All of them.
pub const ALL: [Module; 3] = [MEMORY_INFO, VM_LAYOUT, MODDB];

/// A loaded module; it is unloaded when this goes.
pub struct Loaded(Module);

impl Loaded {
    /// Unloads the module and reports what went wrong, if anything did.
    pub fn unload(self) -> Result<()> {
        let module = self.0;
        std::mem::forget(self);
        module.unload()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if let Err(error) = self.0.unload() {
            eprintln!("{error:#}");
        }
    }
}

impl Module {
    fn file(&self) -> PathBuf {
        PathBuf::from(format!("/modules/{}.ko", self.name))
    }

    /// The module's file in `/proc`.
    pub fn proc_path(&self) -> PathBuf {
        Path::new("/proc").join(self.name)
    }

    /// Loads the module with `parameters` as insmod takes them.
    pub fn load_with(&self, parameters: &str) -> Result<Loaded> {
        self.try_load(parameters)?.map_err(|errno| {
            anyhow!(
                "loading {} with parameters '{parameters}' failed: {errno}",
                self.name
            )
        })
    }

    /// Loads the module; the inner error is the kernel's.
    pub fn try_load(&self, parameters: &str) -> Result<Result<Loaded, Errno>> {
        Ok(self.load_opened(&self.open()?, &CString::new(parameters)?))
    }

    /// Opens the module's file, so that [`Self::load_opened`] is one call of the kernel. Skips the test where there can
    /// be none.
    pub fn open(&self) -> Result<File> {
        if self.needs_x86 && is_user_mode_linux()? {
            return skip(format!("{} is not built for User-mode Linux", self.name));
        }
        let file = self.file();
        File::open(&file).with_context(|| format!("cannot open the module {}", file.display()))
    }

    /// Loads the module from its opened file with `parameters` as insmod takes them.
    pub fn load_opened(&self, file: &File, parameters: &CStr) -> Result<Loaded, Errno> {
        finit_module(file, parameters, ModuleInitFlags::empty()).map(|()| Loaded(*self))
    }

    /// Unloads the module.
    pub fn unload(&self) -> Result<()> {
        let name = CString::new(self.name)?;
        if let Err(errno) = delete_module(&name, DeleteModuleFlags::O_NONBLOCK) {
            bail!("unloading {} failed: {errno}", self.name);
        }
        self.check_gone()
    }

    /// Fails if anything of the module is there.
    pub fn check_gone(&self) -> Result<()> {
        let file = self.proc_path();
        if file.exists() {
            bail!("{} is there without the module", file.display());
        }
        if self.is_loaded() {
            bail!("{} is still loaded", self.name);
        }
        Ok(())
    }

    /// Whether the module is loaded.
    pub fn is_loaded(&self) -> bool {
        Path::new("/sys/module").join(self.name).exists()
    }
}

fn is_user_mode_linux() -> Result<bool> {
    let processors =
        std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    Ok(processors.contains("User Mode Linux"))
}

/// Loads `memory_info` with default parameters.
pub fn load() -> Result<Loaded> {
    load_with("")
}

/// Loads `memory_info` with `parameters` as insmod takes them.
pub fn load_with(parameters: &str) -> Result<Loaded> {
    MEMORY_INFO.load_with(parameters)
}

/// Loads `memory_info`; the inner error is the kernel's.
pub fn try_load(parameters: &str) -> Result<Result<Loaded, Errno>> {
    MEMORY_INFO.try_load(parameters)
}

/// Inserts the module in `file`; the inner error is the kernel's.
pub fn insert(file: &Path, parameters: &str) -> Result<Result<(), Errno>> {
    let opened =
        File::open(file).with_context(|| format!("cannot open the module {}", file.display()))?;
    let parameters = CString::new(parameters)?;
    Ok(finit_module(&opened, &parameters, ModuleInitFlags::empty()))
}

/// Whether `memory_info` is loaded.
pub fn is_loaded() -> bool {
    MEMORY_INFO.is_loaded()
}
