// SPDX-License-Identifier: GPL-2.0-only

//! What `/proc/vm_layout` takes, by example and against a regular expression.

use logic::command_line::{Malformed, MAX_LEN};
use logic_vm_layout::request::{pid_of_parameter, Format, ReportRequest};
use proptest::prelude::*;
use regex::bytes::Regex;

#[test]
fn good_requests() {
    let good: [(&[u8], u32, Format); 9] = [
        (b"1", 1, Format::Text),
        (b"1\n", 1, Format::Text),
        (b"4194304 json=0", 4_194_304, Format::Text),
        (b"77 json=1", 77, Format::Json),
        (b"77 json=1\n", 77, Format::Json),
        (b"4294967295", u32::MAX, Format::Text),
        (b"4294967296", u32::MAX, Format::Text),
        (b"42949672960", u32::MAX, Format::Text),
        (&[b'9'; MAX_LEN], u32::MAX, Format::Text),
    ];
    for (written, pid, format) in good {
        assert_eq!(
            ReportRequest::parse(written),
            Ok(ReportRequest { pid, format }),
            "{}",
            written.escape_ascii()
        );
    }
}

#[test]
fn bad_requests() {
    let bad: [&[u8]; 24] = [
        b"",
        b"\n",
        b" ",
        b"0",
        b"00",
        b"01",
        b"-1",
        b"+1",
        b" 1",
        b"1 ",
        b"1\n\n",
        b"1\n2",
        b"1\0",
        b"0x10",
        b"1e3",
        b"one",
        b"1 json",
        b"1 json=",
        b"1 json=2",
        b"1 json=11",
        b"1  json=1",
        b"1 json=1 ",
        b"1\tjson=1",
        &[b'9'; MAX_LEN + 1],
    ];
    for written in bad {
        assert_eq!(
            ReportRequest::parse(written),
            Err(Malformed),
            "{}",
            written.escape_ascii()
        );
    }
}

#[test]
fn pids_of_parameters() {
    for bad in [0, -1, i64::from(i32::MIN), i64::MIN] {
        assert_eq!(pid_of_parameter(bad), Err(Malformed));
    }
    assert_eq!(pid_of_parameter(1), Ok(1));
    assert_eq!(pid_of_parameter(i64::from(u32::MAX)), Ok(u32::MAX));
    assert_eq!(pid_of_parameter(i64::MAX), Ok(u32::MAX));
}

fn written() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[0-9]{1,12}".prop_map(String::into_bytes),
        2 => Just(b" json=1".to_vec()),
        1 => Just(b" json=0".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 20 } else { 4000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn accepts_exactly_the_grammar(written in written()) {
        let grammar = Regex::new(r"(?s-u)\A([1-9][0-9]*)(?: json=([01]))?\n?\z").expect("a valid expression");
        let expected = grammar.captures(&written).filter(|_| written.len() <= MAX_LEN).map(|found| {
            let digits = std::str::from_utf8(&found[1]).expect("digits");
            ReportRequest {
                pid: digits.parse::<u128>().expect("a number").min(u128::from(u32::MAX)) as u32,
                format: match found.get(2).map(|json| json.as_bytes()) {
                    Some(b"1") => Format::Json,
                    _ => Format::Text,
                },
            }
        });
        prop_assert_eq!(ReportRequest::parse(&written).ok(), expected);
    }
}
