// SPDX-License-Identifier: GPL-2.0-only

//! The command grammar, by example and against a regular expression.

use logic::command_line::{Malformed, MAX_LEN};
use logic_memory_info::command::Command;
use proptest::prelude::*;
use regex::bytes::Regex;

#[test]
fn good_commands() {
    let good: [(&[u8], Command<'_>); 16] = [
        (b"RESET", Command::Reset),
        (b"RESET\n", Command::Reset),
        (b"ALL", Command::All),
        (b"ALL\n", Command::All),
        (b"FILTER|sshd", Command::Filter(b"sshd")),
        (b"FILTER|sshd\n", Command::Filter(b"sshd")),
        (b"DEL|sshd", Command::Del(b"sshd")),
        (b"DEL|sshd\n", Command::Del(b"sshd")),
        (b"DEL|a", Command::Del(b"a")),
        (b"FILTER|a name", Command::Filter(b"a name")),
        (b"FILTER| ", Command::Filter(b" ")),
        (b"FILTER||", Command::Filter(b"|")),
        (b"DEL|a|b|", Command::Del(b"a|b|")),
        (
            b"FILTER|15-bytes-long--\n",
            Command::Filter(b"15-bytes-long--"),
        ),
        (
            b"FILTER|16-bytes-long---",
            Command::Filter(b"16-bytes-long---"),
        ),
        (b"DEL|\x01\x7f\\\xff\r", Command::Del(b"\x01\x7f\\\xff\r")),
    ];
    for (written, command) in good {
        assert_eq!(
            Command::parse(written),
            Ok(command),
            "{}",
            written.escape_ascii()
        );
    }
}

#[test]
fn bad_commands() {
    let bad: [&[u8]; 38] = [
        b"",
        b"\n",
        b"\0",
        b" ",
        b"|",
        b"|\n",
        b"|sshd",
        b"reset",
        b"Reset",
        b"all",
        b"All\n",
        b"filter|sshd",
        b"del|sshd",
        b"RESE",
        b"RESETS",
        b"RESET ",
        b" RESET",
        b"RESET\r\n",
        b"RESET\0",
        b"RESET|",
        b"RESET|sshd",
        b"ALL|",
        b"ALL|sshd",
        b"ALL\n\n",
        b"ALL\nRESET",
        b"ALL\nRESET\n",
        b"\nALL",
        b"FILTER",
        b"FILTER\n",
        b"FILTER|",
        b"FILTER|\n",
        b"FILTER |sshd",
        b"FILTER:sshd",
        b"DEL",
        b"DEL|",
        b"DEL|\n",
        b"DEL|ss\0hd",
        b"FILTER|ss\nhd",
    ];
    for written in bad {
        assert_eq!(
            Command::parse(written),
            Err(Malformed),
            "{}",
            written.escape_ascii()
        );
    }
}

#[test]
fn length_limit_counts_the_newline() {
    let mut written = b"FILTER|".to_vec();
    written.resize(MAX_LEN, b'x');
    assert_eq!(Command::parse(&written), Ok(Command::Filter(&written[7..])));
    written.push(b'\n');
    assert_eq!(
        Command::parse(&written),
        Err(Malformed),
        "64 bytes and a newline"
    );
    written.remove(7);
    assert_eq!(
        Command::parse(&written),
        Ok(Command::Filter(&written[7..63]))
    );
    written.insert(7, b'x');
    written.pop();
    written.push(b'x');
    assert_eq!(Command::parse(&written), Err(Malformed), "65 bytes");
    assert_eq!(
        Command::parse(&vec![b'A'; 1 << 20]),
        Err(Malformed),
        "1 MiB"
    );
}

fn written() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        1 => Just(b"RESET".to_vec()),
        1 => Just(b"ALL".to_vec()),
        4 => Just(b"FILTER|".to_vec()),
        4 => Just(b"DEL|".to_vec()),
        1 => Just(b"FILTER".to_vec()),
        1 => Just(b"|".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => Just(b"reset".to_vec()),
        1 => Just(vec![b'x'; 30]),
        2 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop_oneof![
        4 => prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..80),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 20 } else { 4000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn accepts_exactly_the_grammar(written in written()) {
        let grammar = Regex::new(r"(?s-u)\A(?:(RESET)|(ALL)|FILTER\|([^\n\x00]+)|DEL\|([^\n\x00]+))\n?\z")
            .expect("a valid expression");
        let expected = grammar
            .captures(&written)
            .filter(|_| written.len() <= 64)
            .map(|found| match (found.get(1), found.get(2), found.get(3), found.get(4)) {
                (Some(_), ..) => Command::Reset,
                (_, Some(_), ..) => Command::All,
                (_, _, Some(name), _) => Command::Filter(name.as_bytes()),
                (_, _, _, name) => Command::Del(name.expect("one of the four").as_bytes()),
            });
        prop_assert_eq!(Command::parse(&written).ok(), expected);
    }
}
