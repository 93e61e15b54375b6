// SPDX-License-Identifier: GPL-2.0-only

//! The form in which the modules print process names, computed a second time for the oracles.
//!
//! This must not use code of the modules or of the crate `guest`: it is what both are compared with.

/// Returns `name` as the modules must print it: each control byte and each backslash as a backslash and three octal
/// digits.
pub fn escape(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in name {
        if byte.is_ascii_control() || byte == b'\\' {
            text.extend(format!("\\{byte:03o}").bytes());
        } else {
            text.push(byte);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn control_bytes_are_escaped() {
        assert_eq!(escape(b"a\tb\\\x7f\xff|"), b"a\\011b\\134\\177\xff|");
    }
}
