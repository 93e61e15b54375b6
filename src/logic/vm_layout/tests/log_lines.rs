// SPDX-License-Identifier: GPL-2.0-only

//! Text cut into lines for the kernel log.

use logic::text::{BufferFull, Sink};
use logic_vm_layout::log_lines::{LogLines, CONTINUED, MAX_LINE};
use proptest::prelude::*;

fn lines_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut log = LogLines::new(|line| {
        lines.push(line.to_vec());
        Ok(())
    });
    for piece in pieces {
        log.put(piece).expect("lines are taken");
    }
    lines
}

/// What a reader of the log puts together again.
fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        match line.strip_prefix(&[CONTINUED]) {
            Some(rest) => {
                assert_eq!(text.pop(), Some(b'\n'));
                text.extend(rest);
            }
            None => text.extend(line),
        }
        text.push(b'\n');
    }
    text
}

#[test]
fn short_lines_are_left_alone() {
    assert_eq!(lines_of(&[b"a\nbc", b"d\n\n"]), [&b"a"[..], b"bcd", b""]);
    let full = [b'x'; MAX_LINE];
    assert_eq!(lines_of(&[&full, b"\n"]), [full]);
}

#[test]
fn long_lines_go_on() {
    let long = [b'x'; MAX_LINE + 1];
    let lines = lines_of(&[&long, b"\n"]);
    assert_eq!(lines, [&long[..MAX_LINE], b"+x"]);
}

#[test]
fn characters_stay_whole() {
    for before in 0..4 {
        let text = format!("{}{}\n", "x".repeat(before), "\u{1f600}".repeat(MAX_LINE));
        let lines = lines_of(&[text.as_bytes()]);
        assert!(lines.len() > 4);
        for line in &lines {
            assert!(line.len() <= MAX_LINE);
            std::str::from_utf8(line).expect("whole characters");
        }
        assert_eq!(joined(&lines), text.as_bytes());
    }
}

#[test]
fn who_refuses_a_line_gets_no_more() {
    let mut taken = 0;
    let mut log = LogLines::new(|_| {
        taken += 1;
        if taken == 2 {
            Err(BufferFull)
        } else {
            Ok(())
        }
    });
    assert_eq!(log.put(b"a\nb\nc\n"), Err(BufferFull));
    assert_eq!(taken, 2);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_lost(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..20),
                prop::collection::vec(any::<u8>(), MAX_LINE - 3..MAX_LINE + 3),
                prop::collection::vec(0x80..=0xbf_u8, 2 * MAX_LINE..2 * MAX_LINE + 8),
                "\\PC{400,600}".prop_map(String::into_bytes),
            ],
            0..6,
        ),
        cut in 1..2000_usize,
    ) {
        let mut text = Vec::new();
        for line in &lines {
            text.extend(line.iter().filter(|byte| !matches!(**byte, b'\n' | CONTINUED)));
            text.push(b'\n');
        }
        let pieces: Vec<&[u8]> = text.chunks(cut).collect();
        let logged = lines_of(&pieces);
        prop_assert!(logged.iter().all(|line| line.len() <= MAX_LINE));
        prop_assert_eq!(joined(&logged), text);
    }
}
