// SPDX-License-Identifier: GPL-2.0-only

//! Notifications of changes of the store.

use super::attribute::attributes;
use super::spec::{
    ACTION_DEL, ACTION_FLUSH, ACTION_SET, A_CHANGE_ACTION, A_CHANGE_KEY, A_CHANGE_VALUE_LEN,
};
use netlink_packet_core::DecodeError;

/// What was done to a key, or to all keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The key got a new value of this many bytes.
    Set(u32),
    /// The key was deleted.
    Del,
    /// All keys were deleted.
    Flush,
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key, or none for a flush.
    pub key: Option<Vec<u8>>,
    /// What was done to the key.
    pub action: Action,
}

impl Change {
    /// Parses the payload of a change attribute.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (mut key, mut action, mut length) = (None, None, 0);
        for attribute in attributes(bytes) {
            match attribute? {
                (A_CHANGE_KEY, bytes) => key = Some(bytes.to_vec()),
                (A_CHANGE_ACTION, bytes) => action = Some(number(bytes)?),
                (A_CHANGE_VALUE_LEN, bytes) => length = number(bytes)?,
                (kind, _) => return Err(format!("a change has an unknown attribute {kind}").into()),
            }
        }
        let action = match action {
            Some(ACTION_SET) => Action::Set(length),
            Some(ACTION_DEL) => Action::Del,
            Some(ACTION_FLUSH) => Action::Flush,
            action => return Err(format!("a change has an unknown action {action:?}").into()),
        };
        Ok(Self { key, action })
    }
}

fn number(bytes: &[u8]) -> Result<u32, DecodeError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| format!("a 32-bit number has {} bytes", bytes.len()))?;
    Ok(u32::from_ne_bytes(bytes))
}
