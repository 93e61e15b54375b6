// SPDX-License-Identifier: GPL-2.0-only

//! Where processes can share keys and values: `moddb`, and what it is compared with.

mod file;
mod moddb;
mod netlink;
mod redis;
mod shared_memory;

pub use file::FileStore;
pub use moddb::Moddb;
pub use redis::{Redis, Server};
pub use shared_memory::{SharedMemory, SharedTable};

use anyhow::Result;

/// How many keys there are.
pub const KEYS: usize = 1000;
/// Bytes of a value.
pub const VALUE: usize = 100;

/// One process's way to the keys and values.
pub trait Store {
    /// Reads the value of a key, by its number.
    fn get(&mut self, key: usize) -> Result<()>;

    /// Gives a key, by its number, a new value.
    fn set(&mut self, key: usize) -> Result<()>;
}

/// What a key is called.
fn key(number: usize) -> String {
    format!("bench-key-{number:04}")
}

/// What its value is.
fn value(number: usize) -> [u8; VALUE] {
    [number as u8; VALUE]
}
