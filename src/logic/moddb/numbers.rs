// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of the netlink interface, as `src/moddb/moddb.yaml` specifies them. A test of `tools` compares both.

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

/// The numbers of the operations.
pub mod command {
    /// Does nothing and replies.
    pub const NOOP: u8 = 1;
    /// Replies with the values of keys.
    pub const GET: u8 = 2;
    /// Sets the values of keys.
    pub const SET: u8 = 3;
    /// Deletes some keys.
    pub const DEL: u8 = 4;
    /// Replies with all entries.
    pub const LIST: u8 = 5;
    /// Deletes all keys.
    pub const FLUSH: u8 = 6;
    /// Notifies listeners of changes.
    pub const CHANGED: u8 = 7;
}

/// The numbers of the attributes of a message.
pub mod message {
    /// A key with its value or conditions.
    pub const ENTRY: u16 = 1;
    /// A flag: the reply to a list has keys only.
    pub const KEYS_ONLY: u16 = 2;
    /// A change of one key.
    pub const CHANGE: u16 = 3;
}

/// The numbers of the attributes of a change.
pub mod change {
    /// The key that was changed.
    pub const KEY: u16 = 1;
    /// The change: an [`Action`](super::Action).
    pub const ACTION: u16 = 2;
    /// The length of the new value in bytes.
    pub const VALUE_LEN: u16 = 3;
}

/// How a key was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The key has a new value.
    Set = 1,
    /// The key was deleted.
    Del = 2,
    /// All keys were deleted.
    Flush = 3,
}

/// The operations whose requests have entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Replies with the values of keys.
    Get,
    /// Sets the values of keys.
    Set,
    /// Deletes some keys.
    Del,
}
