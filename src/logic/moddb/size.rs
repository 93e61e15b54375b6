// SPDX-License-Identifier: GPL-2.0-only

//! Lengths of what is sent, in bytes.

use crate::attributes::{aligned, HEADER};
use crate::numbers::PART_MAX;

/// Bytes of a message besides its attributes: the headers of netlink and of generic netlink.
pub const MESSAGE_HEADERS: usize = 20;

/// An attribute with so many bytes in it.
pub fn attribute(payload: usize) -> usize {
    HEADER.saturating_add(aligned(payload))
}

/// The entry of a key alone.
pub fn key_entry(key: usize) -> usize {
    attribute(attribute(key))
}

/// The entry of a key and its value, and those that continue it.
pub fn entry(key: usize, value: usize) -> usize {
    let first = attribute(attribute(key).saturating_add(attribute(value.min(PART_MAX))));
    let mut left = value.saturating_sub(PART_MAX);
    let mut size = first;
    while left > 0 {
        let part = left.min(PART_MAX);
        size = size.saturating_add(attribute(attribute(part)));
        left = left.saturating_sub(part);
    }
    size
}

/// What became of a key.
pub fn change(key: usize) -> usize {
    attribute(attribute(key).saturating_add(2 * attribute(4)))
}

/// What a value is sent in: parts of at most [`PART_MAX`] bytes, at least one.
pub fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = value.split_at(value.len().min(PART_MAX));
    core::iter::once(first).chain(rest.chunks(PART_MAX))
}
