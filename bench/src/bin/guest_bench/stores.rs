// SPDX-License-Identifier: GPL-2.0-only

//! Key-value stores that processes can share: `moddb`, and what it is compared with.

mod file;
mod moddb;
mod redis;
mod shared_memory;

pub use file::FileStore;
pub use moddb::Moddb;
pub use redis::{Redis, Server};
pub use shared_memory::{SharedMemory, SharedTable};

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
fn key(number: usize) -> String {
    format!("bench-key-{number:04}")
}

/// Returns the value that is set for a key.
fn value(number: usize) -> [u8; VALUE] {
    [number as u8; VALUE]
}
