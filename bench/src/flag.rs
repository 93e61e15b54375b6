// SPDX-License-Identifier: GPL-2.0-only

//! A flag that processes share.

use crate::pages::PAGE;
use anyhow::{Context, Result};
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag; forked processes have the same one.
pub struct Flag(NonNull<c_void>);

impl Flag {
    /// One that is down.
    pub fn new() -> Result<Self> {
        let bytes = NonZeroUsize::new(PAGE).context("a page has a size")?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a mapping where nothing is.
        let page = unsafe { mmap_anonymous(None, bytes, protection, MapFlags::MAP_SHARED) };
        Ok(Self(page.context("cannot map a page")?))
    }

    /// Raises or lowers it.
    pub fn set(&self, up: bool) {
        self.flag().store(up, Ordering::Release);
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.flag().load(Ordering::Acquire)
    }

    fn flag(&self) -> &AtomicBool {
        // SAFETY: the page is zeroed at first, which is false; it is used as this only, and mapped while `self` lives.
        unsafe { self.0.cast().as_ref() }
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        // SAFETY: this mapping, which nobody refers to any more.
        let unmapped = unsafe { munmap(self.0, PAGE) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}
