// SPDX-License-Identifier: GPL-2.0-only

//! Netlink attributes, as they are sent.

use netlink_packet_core::{DecodeError, Emitable, Nla, NlaBuffer, NlasIterator, NLA_F_NESTED};

/// An attribute with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Bytes; none for a flag.
    Bytes(u32, Vec<u8>),
    /// Attributes in an attribute.
    Nest(u32, Vec<Attribute>),
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match self {
            Self::Bytes(_, bytes) => bytes.len(),
            Self::Nest(_, inner) => inner.as_slice().buffer_len(),
        }
    }

    fn kind(&self) -> u16 {
        match *self {
            Self::Bytes(kind, _) => kind as u16,
            Self::Nest(kind, _) => kind as u16 | NLA_F_NESTED,
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Bytes(_, bytes) => buffer.copy_from_slice(bytes),
            Self::Nest(_, inner) => inner.as_slice().emit(buffer),
        }
    }
}

/// The attributes in `bytes`: their kinds and what they hold.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<(u32, &[u8]), DecodeError>> {
    NlasIterator::new(bytes).map(|attribute| {
        // The buffer's own method would borrow from the buffer, not from the bytes.
        let whole: NlaBuffer<&[u8]> = attribute?;
        let (kind, length) = (whole.kind(), usize::from(whole.length()));
        Ok((u32::from(kind), &whole.into_inner()[4..length]))
    })
}
