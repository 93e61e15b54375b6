// SPDX-License-Identifier: GPL-2.0-only

//! Key-value stores that processes can share: `moddb`, and what it is compared with.

mod file;
mod interface;
mod moddb;
mod redis;
mod shared_memory;

pub use file::FileStore;
pub use interface::{Store, KEYS};
pub use moddb::Moddb;
pub use redis::{Redis, Server};
pub use shared_memory::{SharedMemory, SharedTable};
