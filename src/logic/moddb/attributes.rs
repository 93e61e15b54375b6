// SPDX-License-Identifier: GPL-2.0-only

//! Netlink attributes as bytes: a length and a type of 16 bits each, a payload, and padding up to a multiple of four.
//!
//! C header: `include/uapi/linux/netlink.h`.

/// Bytes of an attribute before its payload.
pub const HEADER: usize = 4;

/// Returns a length rounded up to the next multiple of four bytes.
pub fn aligned(bytes: usize) -> usize {
    bytes.saturating_add(3) & !3
}

/// One attribute of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// The attribute's type: its number, and netlink's two flags in the highest bits.
    pub kind: u16,
    /// The bytes that the attribute holds.
    pub payload: &'a [u8],
    /// The offset of the attribute, in bytes from the first one.
    pub at: usize,
    /// The offset of the first byte after the attribute and its padding.
    pub end: usize,
}

impl Attribute<'_> {
    /// `NLA_F_NESTED`: the payload consists of attributes.
    pub const NESTED: u16 = 1 << 15;

    /// Returns the offset of the payload.
    pub fn payload_at(&self) -> usize {
        self.at.saturating_add(HEADER)
    }
}

/// An iterator over attributes that follow one another. It ends after an attribute that is malformed.
#[derive(Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// An attribute extends past the end of the bytes that hold it, or is shorter than its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutShort {
    /// The offset of the attribute, in bytes from the first one.
    pub at: usize,
}

impl<'a> Attributes<'a> {
    /// Returns the attributes in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, CutShort>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let left = self.bytes.get(at..)?;
        if left.is_empty() {
            return None;
        }
        let attribute = first(left, at);
        // The bytes after a malformed attribute are not read.
        self.at = match &attribute {
            Some(attribute) => attribute.end,
            None => self.bytes.len(),
        };
        Some(attribute.ok_or(CutShort { at }))
    }
}

fn first(bytes: &[u8], at: usize) -> Option<Attribute<'_>> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (kind, _) = rest.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_ne_bytes(*len));
    Some(Attribute {
        kind: u16::from_ne_bytes(*kind),
        payload: bytes.get(HEADER..len)?,
        at,
        end: at.checked_add(aligned(len))?,
    })
}
