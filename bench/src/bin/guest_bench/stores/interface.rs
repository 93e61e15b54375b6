// SPDX-License-Identifier: GPL-2.0-only

//! The operations that all stores have, and the keys and values that they are measured with.

use anyhow::Result;

/// Number of keys.
pub const KEYS: usize = 1000;
/// Size of a value in bytes.
pub const VALUE: usize = 100;

/// Access of one process to a store.
pub trait Store {
    /// Reads the value of a key, by its number.
    fn get(&mut self, key: usize) -> Result<()>;

    /// Sets the value of a key, by its number.
    fn set(&mut self, key: usize) -> Result<()>;
}

/// Returns the name of a key.
pub fn key(number: usize) -> String {
    format!("bench-key-{number:04}")
}

/// Returns the value that is set for a key.
pub fn value(number: usize) -> [u8; VALUE] {
    [number as u8; VALUE]
}
