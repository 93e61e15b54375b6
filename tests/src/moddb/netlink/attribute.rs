// SPDX-License-Identifier: GPL-2.0-only

//! Netlink attributes as bytes.

use nix::errno::Errno;

/// Flag in the type of an attribute that contains attributes.
pub const NLA_F_NESTED: u16 = 0x8000;

/// Returns an attribute with its padding. The length in its header has 16 bits; the higher bits of a greater length are
/// lost.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Parses attributes into their types, without [`NLA_F_NESTED`], and values.
///
/// # Errors
///
/// Returns `EBADMSG` if `bytes` contains anything else.
pub fn attributes(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, Errno> {
    let mut found = Vec::new();
    while let Some((header, _)) = bytes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & !NLA_F_NESTED;
        found.push((kind, bytes.get(4..length).ok_or(Errno::EBADMSG)?));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    match bytes {
        [] => Ok(found),
        _ => Err(Errno::EBADMSG),
    }
}
