// SPDX-License-Identifier: GPL-2.0-only

//! The entries of a request: each a key with its value and conditions, in one or several attributes.

use crate::attributes::{Attribute, Attributes, CutShort};
use crate::numbers::{message, Operation, BATCH_MAX, KEY_MAX, PART_MAX, VALUE_MAX};
use crate::refusal::{Refusal, Refused};

/// The numbers of the attributes of an entry.
pub mod field {
    /// The key of the entry.
    pub const KEY: u16 = 1;
    /// The new value, or a part of it.
    pub const VALUE: u16 = 2;
    /// The condition that the key has this value, or a part of that value.
    pub const IF_VALUE: u16 = 3;
    /// The condition that the key does not exist (a flag).
    pub const IF_ABSENT: u16 = 4;
    /// The key need not exist (a flag).
    pub const OPTIONAL: u16 = 5;
}

/// A value as it was sent, in parts.
#[derive(Clone, Copy)]
pub struct SentValue<'a> {
    /// The entry attributes that hold its parts, among others.
    entries: &'a [u8],
    kind: u16,
    len: usize,
}

impl<'a> SentValue<'a> {
    /// Returns the length of the value in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the parts of the value in order.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> {
        let kind = self.kind;
        Attributes::new(self.entries)
            .flatten()
            .flat_map(|entry| Attributes::new(entry.payload).flatten())
            .filter(move |attribute| attribute.kind == kind)
            .map(|attribute| attribute.payload)
    }

    /// Returns true if these bytes are the value.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let mut left = bytes;
        self.len == bytes.len()
            && self.parts().all(|part| match left.strip_prefix(part) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            })
    }
}

/// One entry of a request: a key with its value and conditions.
///
/// # Examples
///
/// ```
/// use logic_moddb::entry::{field, Entries};
/// use logic_moddb::numbers::{message, Operation};
/// use logic_moddb::refusal::Refusal;
///
/// /// A netlink attribute.
/// fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
///     let len = payload.len() as u16 + 4;
///     let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
///     bytes.extend(payload);
///     bytes.resize(bytes.len().next_multiple_of(4), 0);
///     bytes
/// }
///
/// let fields = [attribute(field::KEY, b"key"), attribute(field::VALUE, b"value")].concat();
/// let payload = attribute(message::ENTRY, &fields);
/// let entry = Entries::new(&payload, Operation::Set).next().unwrap().ok().unwrap();
/// assert_eq!(entry.key, b"key");
/// assert!(entry.value.unwrap().is(b"value"));
///
/// // A get takes no value.
/// let refused = Entries::new(&payload, Operation::Get).next().unwrap().err().unwrap();
/// assert_eq!(refused.why, Refusal::ValueNotTaken);
/// ```
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The bytes of the key.
    pub key: &'a [u8],
    /// The offset of the key's attribute, in bytes from the first attribute of the request.
    pub key_at: usize,
    /// The new value of the key.
    pub value: Option<SentValue<'a>>,
    /// The value that the key must have.
    pub if_value: Option<SentValue<'a>>,
    /// The offset of the attribute of the condition, or of the entry without a condition.
    pub condition_at: usize,
    /// The key must not exist.
    pub if_absent: bool,
    /// The key need not exist.
    pub optional: bool,
}

impl Entry<'_> {
    /// Checks the entry's conditions for a key with this value, or `None` if the key does not exist.
    ///
    /// # Errors
    ///
    /// Returns which condition does not hold.
    pub fn check(&self, operation: Operation, current: Option<&[u8]>) -> Result<(), Refused> {
        match (current, self.if_value) {
            (Some(_), _) if self.if_absent => Err(Refusal::KeyIsThere.at(self.condition_at)),
            (Some(value), Some(if_value)) if !if_value.is(value) => {
                Err(Refusal::OtherValue.at(self.condition_at))
            }
            (None, Some(_)) => Err(Refusal::NoSuchKey.at(self.key_at)),
            (None, None) if operation != Operation::Set && !self.optional => {
                Err(Refusal::NoSuchKey.at(self.key_at))
            }
            _ => Ok(()),
        }
    }
}

/// The attributes in one entry attribute.
#[derive(Default)]
struct Fields<'a> {
    key: Option<Attribute<'a>>,
    value: Option<Attribute<'a>>,
    if_value: Option<Attribute<'a>>,
    if_absent: Option<Attribute<'a>>,
    optional: Option<Attribute<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads the attributes in an entry attribute. Their offsets count from where that of `entry` does.
    fn of(entry: &Attribute<'a>) -> Result<Self, Refused> {
        let base = entry.payload_at();
        let mut fields = Self::default();
        for attribute in Attributes::new(entry.payload) {
            let mut attribute = attribute
                .map_err(|CutShort { at }| Refusal::CutShort.at(base.saturating_add(at)))?;
            attribute.at = attribute.at.saturating_add(base);
            let place = match attribute.kind {
                field::KEY => &mut fields.key,
                field::VALUE => &mut fields.value,
                field::IF_VALUE => &mut fields.if_value,
                field::IF_ABSENT => &mut fields.if_absent,
                field::OPTIONAL => &mut fields.optional,
                _ => return Err(Refusal::UnknownAttribute.at(attribute.at)),
            };
            if place.replace(attribute).is_some() {
                return Err(Refusal::AttributeTwice.at(attribute.at));
            }
        }
        fields.check()?;
        Ok(fields)
    }

    /// Checks each attribute by itself.
    fn check(&self) -> Result<(), Refused> {
        if let Some(key) = self.key {
            match key.payload.len() {
                0 => return Err(Refusal::EmptyKey.at(key.at)),
                1..=KEY_MAX => {}
                _ => return Err(Refusal::KeyTooLong.at(key.at)),
            }
        }
        for part in [self.value, self.if_value].into_iter().flatten() {
            if part.payload.len() > PART_MAX {
                return Err(Refusal::PartTooLong.at(part.at));
            }
        }
        for flag in [self.if_absent, self.optional].into_iter().flatten() {
            if !flag.payload.is_empty() {
                return Err(Refusal::FlagWithPayload.at(flag.at));
            }
        }
        Ok(())
    }

    /// Checks that an entry of this operation may have these attributes.
    fn check_for(&self, operation: Operation) -> Result<(), Refused> {
        let not_taken = [
            (
                self.value,
                operation == Operation::Set,
                Refusal::ValueNotTaken,
            ),
            (
                self.if_value,
                operation != Operation::Get,
                Refusal::IfValueNotTaken,
            ),
            (
                self.if_absent,
                operation == Operation::Set,
                Refusal::IfAbsentNotTaken,
            ),
            (
                self.optional,
                operation != Operation::Set,
                Refusal::OptionalNotTaken,
            ),
        ];
        for (attribute, is_taken, refusal) in not_taken {
            if let (Some(attribute), false) = (attribute, is_taken) {
                return Err(refusal.at(attribute.at));
            }
        }
        Ok(())
    }
}

/// An iterator over the entries of a request. It ends after an error.
#[derive(Clone)]
pub struct Entries<'a> {
    payload: &'a [u8],
    attributes: Attributes<'a>,
    operation: Operation,
    /// How many keys were returned so far.
    keys: usize,
}

impl<'a> Entries<'a> {
    /// Returns the entries of a request with these attributes.
    pub fn new(payload: &'a [u8], operation: Operation) -> Self {
        Self {
            payload,
            attributes: Attributes::new(payload),
            operation,
            keys: 0,
        }
    }

    /// Returns the next entry attribute, checked by itself.
    fn attribute(&mut self) -> Option<Result<(Attribute<'a>, Fields<'a>), Refused>> {
        let attribute = match self.attributes.next()? {
            Ok(attribute) => attribute,
            Err(CutShort { at }) => return Some(Err(Refusal::CutShort.at(at))),
        };
        if attribute.kind & !Attribute::NESTED != message::ENTRY {
            return Some(Err(Refusal::UnknownAttribute.at(attribute.at)));
        }
        let fields = Fields::of(&attribute)
            .and_then(|fields| fields.check_for(self.operation).map(|()| fields));
        Some(fields.map(|fields| (attribute, fields)))
    }

    fn entry(&mut self) -> Result<Option<Entry<'a>>, Refused> {
        let Some(first) = self.attribute() else {
            return if self.keys == 0 {
                Err(Refusal::NoEntry.into())
            } else {
                Ok(None)
            };
        };
        let (first, fields) = first?;
        let Some(key) = fields.key else {
            return Err(Refusal::NothingToContinue.at(first.at));
        };
        self.keys = self.keys.saturating_add(1);
        if self.keys > BATCH_MAX {
            return Err(Refusal::TooManyKeys.at(key.at));
        }
        let mut value = ValueLength::new(Refusal::ValueTooLong);
        let mut if_value = ValueLength::new(Refusal::IfValueTooLong);
        value.add(fields.value)?;
        if_value.add(fields.if_value)?;
        let mut end = first.end;
        // Entry attributes without a key continue this one.
        loop {
            let before = self.attributes.clone();
            let Some(next) = self.attribute() else {
                break;
            };
            let (next, more) = next?;
            if more.key.is_some() {
                self.attributes = before;
                break;
            }
            let has_flags = more.if_absent.is_some() || more.optional.is_some();
            if has_flags || (more.value.is_none() && more.if_value.is_none()) {
                return Err(Refusal::ContinuesNothing.at(next.at));
            }
            value.add(more.value)?;
            if_value.add(more.if_value)?;
            end = next.end;
        }
        let entries = self
            .payload
            .get(first.at..end.min(self.payload.len()))
            .unwrap_or_default();
        let of = |sum: ValueLength, kind| sum.len.map(|len| SentValue { entries, kind, len });
        let condition = fields.if_absent.or(fields.if_value);
        let entry = Entry {
            key: key.payload,
            key_at: key.at,
            value: of(value, field::VALUE),
            if_value: of(if_value, field::IF_VALUE),
            condition_at: condition.map_or(first.at, |condition| condition.at),
            if_absent: fields.if_absent.is_some(),
            optional: fields.optional.is_some(),
        };
        self.check(&entry, &first, &fields)?;
        Ok(Some(entry))
    }

    /// Checks an entry as a whole.
    fn check(
        &self,
        entry: &Entry<'_>,
        first: &Attribute<'_>,
        fields: &Fields<'_>,
    ) -> Result<(), Refused> {
        if self.operation == Operation::Set && entry.value.is_none() {
            return Err(Refusal::NoValue.at(first.at));
        }
        if entry.if_value.is_some() {
            if let Some(if_absent) = fields.if_absent {
                return Err(Refusal::IfAbsentBesideIfValue.at(if_absent.at));
            }
            if let Some(optional) = fields.optional {
                return Err(Refusal::OptionalBesideIfValue.at(optional.at));
            }
        }
        Ok(())
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entry().transpose();
        if matches!(entry, Some(Err(_))) {
            self.attributes = Attributes::new(&[]);
            // There was an entry, so that the end is not reported as a request without entries.
            self.keys = self.keys.max(1);
        }
        entry
    }
}

/// The length of a value, of which the parts are added one by one.
struct ValueLength {
    len: Option<usize>,
    too_long: Refusal,
}

impl ValueLength {
    fn new(too_long: Refusal) -> Self {
        Self {
            len: None,
            too_long,
        }
    }

    fn add(&mut self, part: Option<Attribute<'_>>) -> Result<(), Refused> {
        if let Some(part) = part {
            let len = self.len.unwrap_or(0).saturating_add(part.payload.len());
            if len > VALUE_MAX {
                return Err(self.too_long.at(part.at));
            }
            self.len = Some(len);
        }
        Ok(())
    }
}
