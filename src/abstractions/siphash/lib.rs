// SPDX-License-Identifier: GPL-2.0-only

//! Keyed hashes for tables whose keys users choose, so that users cannot make keys collide.
//!
//! C header: `include/linux/siphash.h`; background: `Documentation/security/siphash.rst`.

#![deny(
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    missing_docs
)]

use abstractions::bindings::{abstractions_hsiphash, hsiphash_key_t};
use core::mem::size_of;

/// A secret key, without which hashes cannot be predicted.
pub struct HashSecret(hsiphash_key_t);

impl HashSecret {
    /// Returns a random key.
    pub fn random() -> Self {
        let mut key = hsiphash_key_t { key: [0; 2] };
        // SAFETY: `key` has room for that many bytes, and any bytes are a valid key.
        unsafe {
            kernel::bindings::get_random_bytes((&raw mut key).cast(), size_of::<hsiphash_key_t>())
        };
        Self(key)
    }

    /// Returns the `hsiphash()` of `bytes`, which is good enough for hash tables only.
    pub fn hash(&self, bytes: &[u8]) -> u32 {
        // SAFETY: The slice is valid and has that length; the key is initialized.
        unsafe { abstractions_hsiphash(bytes.as_ptr().cast(), bytes.len(), &self.0) }
    }
}
