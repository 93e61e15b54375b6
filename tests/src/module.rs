//! Loading and unloading the module under test.

use crate::proc_file;
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::Path;

const FILE: &str = "/modules/memory_info.ko";
const NAME: &CStr = c"memory_info";

/// The module, loaded; it is unloaded when this goes.
pub struct Loaded(());

impl Loaded {
    /// Unloads the module and reports what went wrong, if anything did.
    pub fn unload(self) -> Result<()> {
        std::mem::forget(self);
        unload()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if let Err(error) = unload() {
            eprintln!("{error:#}");
        }
    }
}

/// Loads the module with default parameters.
pub fn load() -> Result<Loaded> {
    load_with("")
}

/// Loads the module with `parameters` as insmod takes them.
pub fn load_with(parameters: &str) -> Result<Loaded> {
    try_load(parameters)?.map_err(|errno| {
        anyhow::anyhow!("loading {FILE} with parameters '{parameters}' failed: {errno}")
    })
}

/// Loads the module; the inner error is the kernel's.
pub fn try_load(parameters: &str) -> Result<Result<Loaded, Errno>> {
    insert(Path::new(FILE), parameters).map(|inserted| inserted.map(|()| Loaded(())))
}

/// Inserts the module in `file`; the inner error is the kernel's.
pub fn insert(file: &Path, parameters: &str) -> Result<Result<(), Errno>> {
    let opened =
        File::open(file).with_context(|| format!("cannot open the module {}", file.display()))?;
    let parameters = CString::new(parameters)?;
    Ok(finit_module(&opened, &parameters, ModuleInitFlags::empty()))
}

/// Opens the module's file, so that [`load_opened`] is one call of the kernel.
pub fn open() -> Result<File> {
    File::open(FILE).with_context(|| format!("cannot open the module {FILE}"))
}

/// Loads the module from its opened file with `parameters` as insmod takes them.
pub fn load_opened(file: &File, parameters: &CStr) -> Result<Loaded, Errno> {
    finit_module(file, parameters, ModuleInitFlags::empty()).map(|()| Loaded(()))
}

/// Unloads the module.
pub fn unload() -> Result<()> {
    if let Err(errno) = delete_module(NAME, DeleteModuleFlags::O_NONBLOCK) {
        bail!("unloading memory_info failed: {errno}");
    }
    if Path::new(proc_file::PATH).exists() {
        bail!(
            "{} is still there after unloading the module",
            proc_file::PATH
        );
    }
    Ok(())
}

/// Whether the module is loaded.
pub fn is_loaded() -> bool {
    Path::new("/sys/module/memory_info").exists()
}
