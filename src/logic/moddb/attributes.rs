// SPDX-License-Identifier: GPL-2.0-only

//! Netlink attributes: a length and a type of 16 bits each, a payload, and zeros up to the next multiple
//! of four.
//!
//! C header: `include/uapi/linux/netlink.h`.

/// Bytes before the payload.
pub const HEADER: usize = 4;

/// Rounded up to the next multiple of four.
pub fn aligned(bytes: usize) -> usize {
    bytes.saturating_add(3) & !3
}

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Its number, and the two flags of netlink in the highest bits.
    pub kind: u16,
    /// What it holds.
    pub payload: &'a [u8],
    /// Where it begins, in bytes from where the first one does.
    pub at: usize,
    /// The first byte behind it and its padding.
    pub end: usize,
}

impl Attribute<'_> {
    /// `NLA_F_NESTED`: the payload is attributes.
    pub const NESTED: u16 = 1 << 15;

    /// Where the payload begins.
    pub fn payload_at(&self) -> usize {
        self.at.saturating_add(HEADER)
    }
}

/// Attributes, one behind the other.
#[derive(Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Where an attribute says that it is longer than what holds it, or too short for its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutShort {
    /// As [`Attribute::at`].
    pub at: usize,
}

impl<'a> Attributes<'a> {
    /// Those in `bytes`.
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
        // What is behind a broken one is not looked at.
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
