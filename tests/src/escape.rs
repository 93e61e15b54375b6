// SPDX-License-Identifier: GPL-2.0-only

//! The form in which the modules print process names, computed a second time for the oracles.
//!
//! This must not use code of the modules or of the crate `guest`: it is what both are compared with.

/// Returns `name` as the modules must print it: each byte of a control character, each backslash, and each byte that is
/// not part of valid UTF-8 as a backslash and three octal digits.
pub fn escape(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let character =
            (1..=rest.len().min(4)).find_map(|len| std::str::from_utf8(&rest[..len]).ok());
        let is_shown = character.is_some_and(|character| {
            let code = character.chars().next().map_or(0, u32::from);
            !matches!(code, 0..0x20 | 0x7f..0xa0 | 0x5c)
        });
        let (bytes, after) = rest.split_at(character.map_or(1, str::len));
        for byte in bytes {
            if is_shown {
                text.push(*byte);
            } else {
                text.extend(format!("\\{byte:03o}").bytes());
            }
        }
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn control_bytes_are_escaped() {
        assert_eq!(escape(b"a\tb\\\x7f|"), b"a\\011b\\134\\177|");
        assert_eq!(
            escape("\u{85}\u{9f}\u{a0}".as_bytes()),
            "\\302\\205\\302\\237\u{a0}".as_bytes()
        );
    }

    #[test]
    fn what_is_not_utf_8_is_escaped() {
        assert_eq!(
            escape("\u{e4}\u{1f600}".as_bytes()),
            "\u{e4}\u{1f600}".as_bytes()
        );
        assert_eq!(escape(b"x\xc3"), b"x\\303");
        assert_eq!(escape(b"\x9b\xff\xe2\x82y"), b"\\233\\377\\342\\202y");
    }
}
