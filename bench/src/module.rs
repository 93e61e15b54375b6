// SPDX-License-Identifier: GPL-2.0-only

//! Loading modules.

use anyhow::{Context, Result};
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::CString;
use std::fs::File;
use std::path::Path;

/// A module that is loaded; it is unloaded when this goes.
pub struct Module {
    name: &'static str,
}

impl Module {
    /// Whether there is a module `name` to be loaded.
    pub fn exists(name: &str) -> bool {
        Path::new(&path(name)).exists()
    }

    /// Whether the module `name` takes this parameter.
    pub fn has_parameter(name: &str, parameter: &str) -> Result<bool> {
        let path = path(name);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
        let described = format!("parm={parameter}:");
        Ok(bytes
            .windows(described.len())
            .any(|window| window == described.as_bytes()))
    }

    /// Loads the module `name` of this project.
    pub fn load(name: &'static str) -> Result<Self> {
        Self::load_with(name, "")
    }

    /// Loads the module `name` with `parameters` as insmod takes them.
    pub fn load_with(name: &'static str, parameters: &str) -> Result<Self> {
        let path = path(name);
        let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        let parameters = CString::new(parameters)?;
        finit_module(&file, &parameters, ModuleInitFlags::empty())
            .with_context(|| format!("cannot load {path}"))?;
        Ok(Self { name })
    }
}

fn path(name: &str) -> String {
    format!("/modules/{name}.ko")
}

impl Drop for Module {
    fn drop(&mut self) {
        let unloaded = CString::new(self.name)
            .map_err(anyhow::Error::from)
            .and_then(|name| Ok(delete_module(&name, DeleteModuleFlags::O_NONBLOCK)?));
        if let Err(error) = unloaded {
            eprintln!("cannot unload {}: {error:#}", self.name);
        }
    }
}
