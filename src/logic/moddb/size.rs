// SPDX-License-Identifier: GPL-2.0-only

//! Lengths of attributes in messages of `moddb`, in bytes.

use crate::attributes::{aligned, HEADER};
use crate::numbers::PART_MAX;

/// Returns the length of an attribute with a payload of so many bytes, its padding included.
pub fn attribute(payload: usize) -> usize {
    HEADER.saturating_add(aligned(payload))
}

/// Returns the length of an entry that has a key of so many bytes and nothing else.
pub fn key_entry(key: usize) -> usize {
    attribute(attribute(key))
}

/// Returns the length of the entries that hold a key and its value: one entry, and those that continue it.
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

/// Returns the length of a change of a key of so many bytes.
pub fn change(key: usize) -> usize {
    attribute(attribute(key).saturating_add(2 * attribute(4)))
}

/// Returns the parts in which a value is sent: at least one, each of at most [`PART_MAX`] bytes.
pub fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = value.split_at(value.len().min(PART_MAX));
    core::iter::once(first).chain(rest.chunks(PART_MAX))
}
