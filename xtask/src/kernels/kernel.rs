// SPDX-License-Identifier: GPL-2.0-only

//! The kernel that a run is about: a stock one, or one that the project builds itself.

use std::path::PathBuf;

use anyhow::Result;

use crate::host::chroot::Chroot;
use crate::host::root::Root;
use crate::host::workspace::Workspace;
use crate::kernels::own::{self, OwnKernel, Recipe};
use crate::kernels::stock::StockKernel;
use crate::kernels::supported::Standing;

/// The name of the stock kernel that is used when none is asked for.
pub const STOCK: &str = "stock";

/// A kernel in the cache: everything needed to build modules for it and to boot it.
pub struct Kernel {
    stock: StockKernel,
    own: Option<OwnKernel>,
}

impl Kernel {
    /// Returns the kernel that `requested` names, and makes it first if it is not in the cache.
    ///
    /// The name is `stock`, that of one of the project's own kernels, that of a row of the table of supported kernels,
    /// or a Debian release.
    pub fn get(workspace: &Workspace, requested: Option<&str>) -> Result<Self> {
        let recipe = requested.and_then(own::recipe);
        let release = requested.filter(|&name| recipe.is_none() && name != STOCK);
        let stock = StockKernel::get(workspace, release)?;
        let own = match recipe {
            Some(recipe) => Some(OwnKernel::get(workspace, &stock, recipe)?),
            None => None,
        };
        Ok(Self { stock, own })
    }

    /// Returns the name of the kernel: a release, or the name of one of the project's own kernels.
    pub fn name(&self) -> &str {
        self.recipe()
            .map_or(&self.stock.release.name, |recipe| recipe.name)
    }

    /// Returns a short description of the kernel for reports.
    pub fn description(&self) -> String {
        let release = &self.stock.release.name;
        match self.recipe() {
            Some(recipe) => format!("{}, built from the source of {release}", recipe.name),
            None => format!("{release}, unmodified"),
        }
    }

    /// Returns the series of the release, or of the release that the kernel's source is of.
    pub fn series(&self) -> String {
        self.stock.release.series()
    }

    /// Returns true if the kernel's series is in the table of supported kernels.
    pub fn is_tested(&self) -> bool {
        self.stock.standing == Standing::Supported
    }

    /// Returns the recipe, if the project builds this kernel.
    pub fn recipe(&self) -> Option<&'static Recipe> {
        self.own.as_ref().map(|own| own.recipe)
    }

    /// Returns a key that differs between build trees that were made from different inputs.
    pub fn key(&self) -> String {
        self.own
            .as_ref()
            .map_or_else(|| self.stock.key(), OwnKernel::key)
    }

    /// Returns the root with this kernel and its source bound into it.
    pub fn chroot(&self, root: &Root) -> Chroot {
        let chroot = self.stock.chroot(root);
        match &self.own {
            Some(own) => own.bind(chroot),
            None => chroot,
        }
    }

    /// Returns the path of the build tree, as seen in [`Self::chroot`].
    pub fn build_tree(&self) -> String {
        self.own
            .as_ref()
            .map_or_else(|| self.stock.build_tree(), OwnKernel::build_tree)
    }

    /// Returns the path of the bootable image, as seen in [`Self::chroot`].
    pub fn image(&self) -> String {
        self.own
            .as_ref()
            .map_or_else(|| self.stock.image(), OwnKernel::image)
    }

    /// Returns the arguments with which make builds modules for this kernel.
    pub fn make_arguments(&self) -> &'static [&'static str] {
        self.own.as_ref().map_or(&[], OwnKernel::make_arguments)
    }

    /// Returns the flags that rustc needs for this kernel's modules.
    pub fn rust_flags(&self) -> &'static str {
        self.own.as_ref().map_or("", OwnKernel::rust_flags)
    }

    /// Returns the kernel's own modules for the guest, in load order. The project's own kernels have them built in.
    pub fn guest_modules(&self) -> Result<Vec<PathBuf>> {
        match self.own {
            Some(_) => Ok(Vec::new()),
            None => self.stock.guest_modules(),
        }
    }
}
