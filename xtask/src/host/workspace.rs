// SPDX-License-Identifier: GPL-2.0-only

//! The directories that all commands use: cache, checkout and tool root.

use std::cell::OnceCell;

use anyhow::Result;

use crate::host::cache::Cache;
use crate::host::project::Project;
use crate::host::root::Root;

/// The cache, this checkout and the tool root.
pub struct Workspace {
    /// The cache that all checkouts share.
    pub cache: Cache,
    /// The checkout that this program was built from.
    pub project: Project,
    root: OnceCell<Root>,
}

impl Workspace {
    /// Opens the cache and the checkout.
    pub fn open() -> Result<Self> {
        Ok(Self {
            cache: Cache::open()?,
            project: Project::open()?,
            root: OnceCell::new(),
        })
    }

    /// Returns the tool root, which the first call makes if it is not in the cache.
    pub fn root(&self) -> Result<&Root> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let root = Root::get(&self.cache)?;
        Ok(self.root.get_or_init(|| root))
    }
}
