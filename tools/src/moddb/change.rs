// SPDX-License-Identifier: GPL-2.0-only

//! What the store tells those who watch it.

use super::attribute::attributes;
use super::protocol::{
    ACTION_DEL, ACTION_FLUSH, ACTION_SET, A_CHANGE_ACTION, A_CHANGE_KEY, A_CHANGE_VALUE_LEN,
};
use netlink_packet_core::DecodeError;

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It has a new value, of so many bytes.
    Set(u32),
    /// It was deleted.
    Del,
    /// All keys were deleted.
    Flush,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// None for a flush.
    pub key: Option<Vec<u8>>,
    /// What was done.
    pub action: Action,
}

impl Change {
    /// Reads an attribute's content.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (mut key, mut action, mut length) = (None, None, 0);
        for attribute in attributes(bytes) {
            match attribute? {
                (A_CHANGE_KEY, bytes) => key = Some(bytes.to_vec()),
                (A_CHANGE_ACTION, bytes) => action = Some(number(bytes)?),
                (A_CHANGE_VALUE_LEN, bytes) => length = number(bytes)?,
                (kind, _) => return Err(format!("a change has an attribute {kind}").into()),
            }
        }
        let action = match action {
            Some(ACTION_SET) => Action::Set(length),
            Some(ACTION_DEL) => Action::Del,
            Some(ACTION_FLUSH) => Action::Flush,
            action => return Err(format!("a change has the action {action:?}").into()),
        };
        Ok(Self { key, action })
    }
}

fn number(bytes: &[u8]) -> Result<u32, DecodeError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| format!("a number has {} bytes", bytes.len()))?;
    Ok(u32::from_ne_bytes(bytes))
}
