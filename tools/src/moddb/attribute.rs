// SPDX-License-Identifier: GPL-2.0-only

//! Netlink attributes in the form in which they are sent.

use netlink_packet_core::{DecodeError, Emitable, Nla, NlaBuffer, NlasIterator, NLA_F_NESTED};

/// An attribute: its type, and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// An attribute with a payload of bytes, which is empty for a flag.
    Bytes(u32, Vec<u8>),
    /// An attribute that contains attributes (`NLA_F_NESTED`).
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

/// Returns the types and payloads of the attributes in `bytes`. Ends with an error if the bytes are malformed.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<(u32, &[u8]), DecodeError>> {
    NlasIterator::new(bytes).map(|attribute| {
        // `NlaBuffer::value` would borrow from the buffer instead of from the bytes.
        let whole: NlaBuffer<&[u8]> = attribute?;
        let (kind, length) = (whole.kind(), usize::from(whole.length()));
        Ok((u32::from(kind), &whole.into_inner()[4..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::{attributes, Attribute};
    use netlink_packet_core::Emitable;

    #[test]
    fn attributes_are_padded_and_nested() {
        let key = Attribute::Bytes(1, b"key!!".to_vec());
        let entry = Attribute::Nest(1, vec![key]);
        let mut bytes = vec![0; entry.buffer_len()];
        entry.emit(&mut bytes);
        assert_eq!(bytes, b"\x10\0\x01\x80\x09\0\x01\0key!!\0\0\0");
        let parsed: Vec<_> = attributes(&bytes[4..]).collect::<Result<_, _>>().unwrap();
        assert_eq!(parsed, [(1, &b"key!!"[..])]);
    }
}
