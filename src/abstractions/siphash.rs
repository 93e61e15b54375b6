// SPDX-License-Identifier: GPL-2.0-only

//! Hashes of what users choose, in tables that they must not be able to fill unevenly.
//!
//! C header: `include/linux/siphash.h`; background: `Documentation/security/siphash.rst`.

use crate::bindings::{abstractions_hsiphash, hsiphash_key_t};
use core::mem::size_of;

/// What makes hashes unpredictable.
pub struct Secret(hsiphash_key_t);

impl Secret {
    /// A random one.
    pub fn random() -> Self {
        let mut key = hsiphash_key_t { key: [0; 2] };
        // SAFETY: room for that many bytes.
        unsafe {
            kernel::bindings::get_random_bytes((&raw mut key).cast(), size_of::<hsiphash_key_t>())
        };
        Self(key)
    }

    /// The hash of `bytes`: `hsiphash()`, for tables only.
    pub fn hash(&self, bytes: &[u8]) -> u32 {
        // SAFETY: `bytes` are that long.
        unsafe { abstractions_hsiphash(bytes.as_ptr().cast(), bytes.len(), &self.0) }
    }
}
