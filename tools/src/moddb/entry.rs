// SPDX-License-Identifier: GPL-2.0-only

//! An entry of the store, and the attributes by which it is sent. A value that is longer than an attribute is sent in
//! several parts.

use super::attribute::{attributes, Attribute};
use super::spec::{
    A_ENTRY_IF_ABSENT, A_ENTRY_IF_VALUE, A_ENTRY_KEY, A_ENTRY_OPTIONAL, A_ENTRY_VALUE,
    A_MESSAGE_ENTRY, PART_MAX,
};
use netlink_packet_core::DecodeError;

/// A key with its value, or with what a request says about the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Key of 1 to 255 bytes.
    pub key: Vec<u8>,
    /// Value of up to 65,535 bytes; none if a request or a reply does not contain it.
    pub value: Option<Vec<u8>>,
    /// Value that the key must have for the request to succeed.
    pub if_value: Option<Vec<u8>>,
    /// The request fails if the key exists.
    pub if_absent: bool,
    /// The request does not fail if the key does not exist.
    pub optional: bool,
}

impl Entry {
    /// Makes an entry for a get or a del.
    pub fn key(key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            ..Self::default()
        }
    }

    /// Makes an entry for a set.
    pub fn pair(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::key(key)
        }
    }

    /// Returns the number of bytes of the key and the values, without netlink's headers.
    pub fn size(&self) -> usize {
        let length = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        self.key.len() + length(&self.value) + length(&self.if_value)
    }

    /// Returns the attributes by which the entry is sent: one, and one more for each further part of its values.
    pub(super) fn to_attributes(&self) -> Vec<Attribute> {
        let mut values = Parts::new(A_ENTRY_VALUE, self.value.as_deref());
        let mut conditions = Parts::new(A_ENTRY_IF_VALUE, self.if_value.as_deref());
        let mut first = vec![Attribute::Bytes(A_ENTRY_KEY, self.key.clone())];
        first.extend(values.next());
        first.extend(conditions.next());
        for (wanted, flag) in [
            (self.if_absent, A_ENTRY_IF_ABSENT),
            (self.optional, A_ENTRY_OPTIONAL),
        ] {
            if wanted {
                first.push(Attribute::Bytes(flag, Vec::new()));
            }
        }
        let mut all = vec![Attribute::Nest(A_MESSAGE_ENTRY, first)];
        loop {
            let more: Vec<_> = values.next().into_iter().chain(conditions.next()).collect();
            if more.is_empty() {
                return all;
            }
            all.push(Attribute::Nest(A_MESSAGE_ENTRY, more));
        }
    }

    /// Parses the payload of an entry attribute: a new entry, or a further part of the last one of `entries`.
    pub(super) fn take(entries: &mut Vec<Self>, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut value: Option<Vec<u8>> = None;
        let mut key = None;
        for attribute in attributes(bytes) {
            match attribute? {
                (A_ENTRY_KEY, bytes) => key = Some(bytes.to_vec()),
                (A_ENTRY_VALUE, bytes) => value = Some(bytes.to_vec()),
                (kind, _) => return Err(format!("an entry has an unknown attribute {kind}").into()),
            }
        }
        match (key, entries.last_mut()) {
            (Some(key), _) => entries.push(Self {
                value,
                ..Self::key(key)
            }),
            (None, Some(entry)) => entry
                .value
                .get_or_insert_default()
                .extend(value.unwrap_or_default()),
            (None, None) => return Err("the first entry has no key".into()),
        }
        Ok(())
    }
}

/// Iterator over the parts of a value. An empty value has one part.
struct Parts<'a> {
    kind: u32,
    rest: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn new(kind: u32, value: Option<&'a [u8]>) -> Self {
        Self { kind, rest: value }
    }
}

impl Iterator for Parts<'_> {
    type Item = Attribute;

    fn next(&mut self) -> Option<Attribute> {
        let rest = self.rest.take()?;
        let (part, rest) = rest.split_at(rest.len().min(PART_MAX as usize));
        self.rest = (!rest.is_empty()).then_some(rest);
        Some(Attribute::Bytes(self.kind, part.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Entry};
    use netlink_packet_core::{Emitable, Nla};

    fn sent_and_taken(entry: &Entry) -> Vec<Entry> {
        let mut taken = Vec::new();
        for attribute in entry.to_attributes() {
            assert!(attribute.value_len() + 4 <= usize::from(u16::MAX));
            let mut bytes = vec![0; attribute.buffer_len()];
            attribute.emit(&mut bytes);
            Entry::take(&mut taken, &bytes[4..4 + attribute.value_len()]).unwrap();
        }
        taken
    }

    #[test]
    fn values_of_any_length_are_reassembled() {
        for length in [
            0, 1, 2, 3, 4, 5, 32_511, 32_512, 32_513, 65_024, 65_025, 65_531, 65_532, 65_535,
        ] {
            let value: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            for key in [&b"k"[..], &[0xff; 255]] {
                let entry = Entry::pair(key, value.clone());
                assert_eq!(sent_and_taken(&entry), [entry]);
            }
        }
    }

    #[test]
    fn the_largest_entry_fits() {
        let entry = Entry {
            if_value: Some(vec![2; 65_535]),
            if_absent: true,
            optional: true,
            ..Entry::pair([1; 255], [3; 65_535])
        };
        let attributes = entry.to_attributes();
        assert_eq!(attributes.len(), 3);
        assert!(attributes
            .iter()
            .all(|attribute| attribute.value_len() + 4 <= 65_535));
    }

    #[test]
    fn malformed_entries_are_refused() {
        let mut entries = Vec::new();
        assert!(Entry::take(&mut entries, b"").is_err());
        assert!(Entry::take(&mut entries, &[9, 0, 1, 0, 7]).is_err());
        let mut bytes = vec![0; 8];
        Attribute::Bytes(9, vec![1]).emit(&mut bytes);
        assert!(Entry::take(&mut entries, &bytes).is_err());
        assert!(entries.is_empty());
    }
}
