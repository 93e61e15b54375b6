// SPDX-License-Identifier: GPL-2.0-only

//! The form in which names are printed that somebody else chose.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use logic::text::{put_name, BufferFull, Print, Sink};
use proptest::prelude::*;

struct Name<'a>(&'a [u8]);

impl Print for Name<'_> {
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
        put_name(out, self.0)
    }
}

fn shown(name: &[u8]) -> Vec<u8> {
    let mut out = KVVec::with_capacity(Name(name).printed_len(), GFP_KERNEL).expect("memory");
    Name(name).append_to(&mut out).expect("room for all");
    assert_eq!(out.len(), Name(name).printed_len());
    out.to_vec()
}

/// Returns the bytes that a printed name tells.
fn decoded(printed: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = printed.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at(3);
        let digits = std::str::from_utf8(digits).expect("digits");
        bytes.push(u8::from_str_radix(digits, 8).expect("three octal digits"));
        rest = after;
    }
    bytes
}

#[test]
fn text_stays() {
    for name in ["", "a b|c, d", "\u{e9}\u{4e2d}\u{1f600}", "\u{a0}\u{fffd}"] {
        assert_eq!(shown(name.as_bytes()), name.as_bytes());
    }
}

#[test]
fn control_characters_and_backslashes_are_octal() {
    assert_eq!(shown(b"a\nb\\c"), br"a\012b\134c");
    assert_eq!(shown(b"\x00\x1b[2J\x1f\x7f"), br"\000\033[2J\037\177");
    assert_eq!(
        shown("\u{80}\u{9b}\u{9f}".as_bytes()),
        br"\302\200\302\233\302\237"
    );
}

#[test]
fn what_is_not_utf_8_is_octal() {
    assert_eq!(shown(b"\x9b2J\xff"), br"\2332J\377");
    assert_eq!(shown(b"cut\xe2\x82"), br"cut\342\202");
    // A surrogate, an overlong form, and a code beyond the last one.
    assert_eq!(shown(b"\xed\xa0\x80"), br"\355\240\200");
    assert_eq!(shown(b"\xc0\x8a"), br"\300\212");
    assert_eq!(shown(b"\xf4\x90\x80\x80"), br"\364\220\200\200");
    assert_eq!(
        shown("\u{e4}".as_bytes().repeat(2)[1..].as_ref()),
        [br"\244", "\u{e4}".as_bytes()].concat()
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 10 } else { 2000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_name_is_safe_to_print_and_can_be_decoded(
        name in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::collection::vec(prop_oneof![Just(0xc2), Just(0xe2), 0x7f..0xa2_u8, Just(b'\\')], 0..20),
            "\\PC{0,8}[\\x00-\\x1f\u{80}-\u{9f}]{0,4}\\PC{0,8}".prop_map(String::into_bytes),
        ],
    ) {
        let printed = String::from_utf8(shown(&name)).expect("UTF-8");
        prop_assert!(!printed.contains(char::is_control), "{printed:?}");
        prop_assert_eq!(decoded(&printed), name);
    }

    #[test]
    fn text_without_control_characters_stays(text in "[^\\p{Cc}\\\\]{0,20}") {
        prop_assert_eq!(shown(text.as_bytes()), text.as_bytes());
    }
}
