// SPDX-License-Identifier: GPL-2.0-only

//! The address spaces of one set that were scanned already.

use kernel::alloc::AllocError;
use kernel::mm::{Mm, MmWithUser};
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::aref::ARef;

/// A set of address spaces, by their addresses. It holds a reference to each, so that none is freed and
/// its address used for another one.
pub(crate) struct SeenMms(RBTree<usize, ARef<Mm>>);

impl SeenMms {
    /// Creates an empty set.
    pub(crate) fn new() -> Self {
        Self(RBTree::new())
    }

    /// Adds an address space. Returns false if it is in the set already. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the set is unchanged.
    pub(crate) fn insert(&mut self, mm: &MmWithUser) -> Result<bool, AllocError> {
        let address = mm.as_raw() as usize;
        if self.0.get(&address).is_some() {
            return Ok(false);
        }
        self.0
            .try_create_and_insert(address, ARef::from(&**mm), GFP_KERNEL)
            .map_err(|_| AllocError)?;
        Ok(true)
    }
}
