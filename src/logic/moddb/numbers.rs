// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of the netlink interface, as `src/moddb/moddb.yaml` specifies them. A test of `tools` compares
//! the two.

/// The longest key, in bytes.
pub const KEY_MAX: usize = 255;
/// The longest value, in bytes.
pub const VALUE_MAX: usize = 65_535;
/// The longest part of a value in one attribute, in bytes.
pub const PART_MAX: usize = 32_512;
/// The most keys in one request.
pub const BATCH_MAX: usize = 1024;
/// The longest answer to a get, in bytes with all headers.
pub const REPLY_MAX: usize = 262_144;
/// The longest notification, in bytes with all headers.
pub const NOTIFICATION_MAX: usize = 69_632;

/// Numbers of the operations.
pub mod command {
    /// Nothing, answered.
    pub const NOOP: u8 = 1;
    /// Values of keys.
    pub const GET: u8 = 2;
    /// New values of keys.
    pub const SET: u8 = 3;
    /// Deletes keys.
    pub const DEL: u8 = 4;
    /// All entries.
    pub const LIST: u8 = 5;
    /// Deletes all keys.
    pub const FLUSH: u8 = 6;
    /// What a writer has changed.
    pub const CHANGED: u8 = 7;
}

/// Numbers of the attributes of a message.
pub mod message {
    /// A key and what is said about it.
    pub const ENTRY: u16 = 1;
    /// A list has no values.
    pub const KEYS_ONLY: u16 = 2;
    /// What became of a key.
    pub const CHANGE: u16 = 3;
}

/// Numbers of the attributes of a change.
pub mod change {
    /// The key.
    pub const KEY: u16 = 1;
    /// What became of it.
    pub const ACTION: u16 = 2;
    /// The length of its new value.
    pub const VALUE_LEN: u16 = 3;
}

/// What became of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It has a new value.
    Set = 1,
    /// It was deleted.
    Del = 2,
    /// All keys were deleted.
    Flush = 3,
}

/// Operations whose requests have entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Values of keys.
    Get,
    /// New values of keys.
    Set,
    /// Deletes keys.
    Del,
}
