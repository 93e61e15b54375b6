// SPDX-License-Identifier: GPL-2.0-only

//! Requests of `moddb`: well-formed ones are read as they were meant, all others are refused, for the
//! right attribute.

use logic::errno::Errno;
use logic_moddb::attributes::Attribute;
use logic_moddb::entry::{field, Entries, Entry};
use logic_moddb::numbers::{message, Operation, BATCH_MAX, KEY_MAX, PART_MAX, VALUE_MAX};
use logic_moddb::refusal::{Refusal, Refused};
use logic_moddb::size;
use proptest::prelude::*;

/// What an entry has.
type Fields<'a> = &'a [(u16, &'a [u8])];

/// What it is refused for, and where, if it is.
type Expected = Option<(Refusal, usize)>;

/// An attribute, as netlink writes it.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 4).expect("fits into an attribute");
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn entry(attributes: Fields<'_>) -> Vec<u8> {
    let attributes = attributes
        .iter()
        .flat_map(|(kind, payload)| attribute(*kind, payload));
    attribute(
        message::ENTRY | Attribute::NESTED,
        &attributes.collect::<Vec<_>>(),
    )
}

fn read(payload: &[u8], operation: Operation) -> Result<Vec<Entry<'_>>, Refused> {
    Entries::new(payload, operation).collect()
}

fn value(entry: &Entry<'_>) -> Option<Vec<u8>> {
    entry
        .value
        .map(|value| value.parts().collect::<Vec<_>>().concat())
}

/// What this request is refused for.
#[track_caller]
fn refused(payload: &[u8], operation: Operation, why: Refusal, at: Option<usize>) {
    match read(payload, operation) {
        Err(refused) => assert_eq!(refused, Refused { why, at }),
        Ok(_) => panic!("not refused: {why:?}"),
    }
}

const KEY: (u16, &[u8]) = (field::KEY, b"key");
const VALUE: (u16, &[u8]) = (field::VALUE, b"value");
const IF_VALUE: (u16, &[u8]) = (field::IF_VALUE, b"other");
const IF_ABSENT: (u16, &[u8]) = (field::IF_ABSENT, b"");
const OPTIONAL: (u16, &[u8]) = (field::OPTIONAL, b"");

/// Where the first attribute of the first entry begins.
const FIRST: usize = 4;
/// Where the one behind [`KEY`] does.
const SECOND: usize = 12;

#[test]
fn what_each_operation_takes() {
    use Operation::{Del, Get, Set};
    let cases: [(Fields<'_>, Operation, Expected); 16] = [
        (&[KEY], Get, None),
        (&[KEY, OPTIONAL], Get, None),
        (&[KEY, VALUE], Get, Some((Refusal::ValueNotTaken, SECOND))),
        (
            &[KEY, IF_VALUE],
            Get,
            Some((Refusal::IfValueNotTaken, SECOND)),
        ),
        (
            &[KEY, IF_ABSENT],
            Get,
            Some((Refusal::IfAbsentNotTaken, SECOND)),
        ),
        (&[KEY, VALUE], Set, None),
        (&[KEY, VALUE, IF_VALUE], Set, None),
        (&[KEY, VALUE, IF_ABSENT], Set, None),
        (&[KEY], Set, Some((Refusal::NoValue, 0))),
        (
            &[KEY, OPTIONAL, VALUE],
            Set,
            Some((Refusal::OptionalNotTaken, SECOND)),
        ),
        (
            &[KEY, IF_ABSENT, IF_VALUE, VALUE],
            Set,
            Some((Refusal::IfAbsentBesideIfValue, SECOND)),
        ),
        (&[KEY], Del, None),
        (&[KEY, IF_VALUE], Del, None),
        (&[KEY, OPTIONAL], Del, None),
        (
            &[KEY, OPTIONAL, IF_VALUE],
            Del,
            Some((Refusal::OptionalBesideIfValue, SECOND)),
        ),
        (&[KEY, VALUE], Del, Some((Refusal::ValueNotTaken, SECOND))),
    ];
    for (attributes, operation, expected) in cases {
        let request = entry(attributes);
        match expected {
            Some((why, at)) => refused(&request, operation, why, Some(at)),
            None => assert_eq!(
                read(&request, operation).map(|entries| entries.len()),
                Ok(1)
            ),
        }
    }
}

#[test]
fn malformed_requests() {
    let long_key = [b'k'; KEY_MAX + 1];
    let long_part = [0; PART_MAX + 1];
    refused(&[], Operation::Get, Refusal::NoEntry, None);
    let cases: [(Fields<'_>, Refusal, usize); 8] = [
        (&[], Refusal::NothingToContinue, 0),
        (&[VALUE], Refusal::NothingToContinue, 0),
        (&[(field::KEY, b""), VALUE], Refusal::EmptyKey, FIRST),
        (
            &[(field::KEY, &long_key), VALUE],
            Refusal::KeyTooLong,
            FIRST,
        ),
        (
            &[KEY, (field::VALUE, &long_part)],
            Refusal::PartTooLong,
            SECOND,
        ),
        (&[KEY, KEY], Refusal::AttributeTwice, SECOND),
        (&[KEY, (6, b"")], Refusal::UnknownAttribute, SECOND),
        (
            &[KEY, (field::IF_ABSENT, b"x")],
            Refusal::FlagWithPayload,
            SECOND,
        ),
    ];
    for (attributes, why, at) in cases {
        refused(&entry(attributes), Operation::Set, why, Some(at));
    }
    let nested = entry(&[(field::KEY | Attribute::NESTED, b"key")]);
    refused(
        &nested,
        Operation::Get,
        Refusal::UnknownAttribute,
        Some(FIRST),
    );
    let other = attribute(message::CHANGE, b"");
    refused(&other, Operation::Get, Refusal::UnknownAttribute, Some(0));
}

#[test]
fn attributes_that_are_cut_short() {
    let whole = entry(&[KEY, VALUE]);
    for len in 1..whole.len() {
        assert!(read(&whole[..len], Operation::Set).is_err(), "{len} bytes");
    }
    // An attribute in the entry says that it is longer than the entry.
    let mut lying = whole.clone();
    lying[SECOND] = 200;
    refused(&lying, Operation::Set, Refusal::CutShort, Some(SECOND));
    // Or shorter than its own header.
    lying[SECOND] = 3;
    refused(&lying, Operation::Set, Refusal::CutShort, Some(SECOND));
}

#[test]
fn what_continues_an_entry() {
    let request = [
        entry(&[KEY, (field::VALUE, b"ab"), (field::IF_VALUE, b"1")]),
        entry(&[(field::VALUE, b"c")]),
        entry(&[(field::IF_VALUE, b"23"), (field::VALUE, b"")]),
        entry(&[(field::KEY, b"next"), (field::VALUE, b"")]),
    ]
    .concat();
    let entries = read(&request, Operation::Set).expect("well-formed");
    let [first, second] = entries.as_slice() else {
        panic!("two entries");
    };
    assert_eq!(value(first).as_deref(), Some(b"abc".as_slice()));
    assert!(first.if_value.expect("given").is(b"123"));
    assert_eq!(
        (second.key, value(second)),
        (b"next".as_slice(), Some(Vec::new()))
    );

    let first = entry(&[KEY, VALUE]);
    for more in [entry(&[]), entry(&[IF_ABSENT]), entry(&[VALUE, IF_ABSENT])] {
        let request = [first.as_slice(), &more].concat();
        let at = Some(first.len());
        refused(&request, Operation::Set, Refusal::ContinuesNothing, at);
    }
}

#[test]
fn the_longest_value_and_one_byte_more() {
    let value = vec![7; VALUE_MAX + 1];
    for (len, is_taken) in [(VALUE_MAX, true), (VALUE_MAX + 1, false)] {
        let mut request = Vec::new();
        for (number, part) in value[..len].chunks(PART_MAX).enumerate() {
            let part = (field::VALUE, part);
            request.extend(match number {
                0 => entry(&[KEY, part]),
                _ => entry(&[part]),
            });
        }
        let lens = read(&request, Operation::Set)
            .map(|entries| entries.iter().map(|e| e.value.map(|v| v.len())).collect());
        if is_taken {
            assert_eq!(lens, Ok(vec![Some(len)]));
        } else {
            assert_eq!(
                lens.map_err(|refused| refused.why),
                Err::<Vec<_>, _>(Refusal::ValueTooLong)
            );
        }
    }
}

#[test]
fn the_most_keys_and_one_more() {
    let one = entry(&[KEY]);
    let most = one.repeat(BATCH_MAX);
    assert_eq!(read(&most, Operation::Get).map(|e| e.len()), Ok(BATCH_MAX));
    let more = one.repeat(BATCH_MAX + 1);
    let at = Some(most.len() + FIRST);
    refused(&more, Operation::Get, Refusal::TooManyKeys, at);
}

#[test]
fn conditions() {
    let check = |attributes: Fields<'_>, operation, current: Option<&[u8]>| {
        let request = entry(attributes);
        let entries = read(&request, operation).expect("well-formed");
        entries[0]
            .check(operation, current)
            .map_err(|refused| refused.why)
    };
    let there = Some(b"other".as_slice());
    let set = Operation::Set;
    assert_eq!(check(&[KEY, VALUE], set, None), Ok(()));
    assert_eq!(check(&[KEY, VALUE], set, there), Ok(()));
    assert_eq!(check(&[KEY, VALUE, IF_ABSENT], set, None), Ok(()));
    assert_eq!(
        check(&[KEY, VALUE, IF_ABSENT], set, there),
        Err(Refusal::KeyIsThere)
    );
    assert_eq!(check(&[KEY, VALUE, IF_VALUE], set, there), Ok(()));
    assert_eq!(
        check(&[KEY, VALUE, IF_VALUE], set, Some(b"othe")),
        Err(Refusal::OtherValue)
    );
    assert_eq!(
        check(&[KEY, VALUE, IF_VALUE], set, None),
        Err(Refusal::NoSuchKey)
    );
    for operation in [Operation::Get, Operation::Del] {
        assert_eq!(check(&[KEY], operation, there), Ok(()));
        assert_eq!(check(&[KEY], operation, None), Err(Refusal::NoSuchKey));
        assert_eq!(check(&[KEY, OPTIONAL], operation, None), Ok(()));
    }
}

#[test]
fn every_sentence_names_an_attribute_and_says_one_thing() {
    const NAMES: [&str; 6] = ["entry", "key", "value", "if-value", "if-absent", "optional"];
    let mut sentences: Vec<_> = Refusal::ALL
        .iter()
        .filter(|refusal| refusal.errno() != Errno::EPERM)
        .map(|refusal| refusal.sentence().to_str().expect("ASCII"))
        .collect();
    for sentence in &sentences {
        let (names, rest) = sentence.split_once(": ").expect("a name and what is wrong");
        assert!(
            names.split(", ").all(|name| NAMES.contains(&name)),
            "{sentence}"
        );
        assert!(!rest.is_empty() && sentence.len() <= 100, "{sentence}");
    }
    let number = sentences.len();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(
        sentences.len(),
        number,
        "two refusals have the same sentence"
    );
}

/// A value, and how it is cut into parts.
fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5)
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_meant(
        meant in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 1..=KEY_MAX), parts(), prop::option::of(parts())),
            1..6,
        ),
    ) {
        let mut request = Vec::new();
        for (key, value, if_value) in &meant {
            let mut if_value = if_value.iter().flatten();
            for (number, part) in value.iter().enumerate() {
                let mut attributes = vec![(field::VALUE, part.as_slice())];
                if number == 0 {
                    attributes.push((field::KEY, key));
                }
                attributes.extend(if_value.next().map(|part| (field::IF_VALUE, part.as_slice())));
                request.extend(entry(&attributes));
            }
            for part in if_value {
                request.extend(entry(&[(field::IF_VALUE, part)]));
            }
        }
        let entries = read(&request, Operation::Set).expect("well-formed");
        prop_assert_eq!(entries.len(), meant.len());
        for (entry, (key, meant_value, if_value)) in entries.iter().zip(&meant) {
            prop_assert_eq!(entry.key, key);
            prop_assert_eq!(value(entry), Some(meant_value.concat()));
            prop_assert_eq!(entry.value.map(|value| value.len()), Some(meant_value.concat().len()));
            prop_assert_eq!(entry.if_value.is_some(), if_value.is_some());
            if let (Some(read), Some(meant)) = (entry.if_value, if_value) {
                prop_assert!(read.is(&meant.concat()));
            }
        }
    }

    #[test]
    fn a_value_is_the_same_bytes_only(parts in parts(), other in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut request = entry(&[KEY, VALUE]);
        for part in &parts {
            request.extend(entry(&[(field::IF_VALUE, part)]));
        }
        let entries = read(&request, Operation::Set).expect("well-formed");
        let read = entries[0].if_value.expect("given");
        prop_assert_eq!(read.is(&other), parts.concat() == other);
        prop_assert!(read.is(&parts.concat()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for operation in [Operation::Get, Operation::Set, Operation::Del] {
            if let Err(Refused { at, .. }) = read(&bytes, operation) {
                prop_assert!(at.is_none_or(|at| at < bytes.len()), "an attribute that is not there");
            }
        }
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        at in 0_usize..64,
        byte in any::<u8>(),
        operation in prop::sample::select(vec![Operation::Get, Operation::Set, Operation::Del]),
    ) {
        let mut bytes = [entry(&[KEY, VALUE]), entry(&[VALUE]), entry(&[(field::KEY, b"other"), VALUE])].concat();
        let len = bytes.len();
        bytes[at % len] = byte;
        if let Err(Refused { at, .. }) = read(&bytes, operation) {
            prop_assert!(at.is_none_or(|at| at < len), "an attribute that is not there");
        }
    }

    #[test]
    fn sizes_are_those_of_what_is_sent(key in 1..=KEY_MAX, len in 0..=VALUE_MAX) {
        let (key, value) = (vec![b'k'; key], vec![b'v'; len]);
        let mut sent = Vec::new();
        for (number, part) in size::parts(&value).enumerate() {
            let part = (field::VALUE, part);
            sent.extend(match number {
                0 => entry(&[(field::KEY, &key), part]),
                _ => entry(&[part]),
            });
        }
        prop_assert_eq!(sent.len(), size::entry(key.len(), value.len()));
        prop_assert_eq!(entry(&[(field::KEY, &key)]).len(), size::key_entry(key.len()));
        prop_assert_eq!(size::parts(&value).collect::<Vec<_>>().concat(), value);
    }
}
