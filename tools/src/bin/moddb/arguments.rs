// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of the command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A subcommand with its arguments.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Set keys to values: all of them, or none
    Set {
        /// Keys, each followed by its value; the value - is read from standard input; words that begin with a hyphen
        /// must follow --
        #[arg(required = true, num_args = 2.., value_names = ["KEY", "VALUE"])]
        pairs: Vec<OsString>,
        /// Fail unless the key has this value; only with a single key
        #[arg(long, value_name = "VALUE", conflicts_with = "if_absent")]
        if_value: Option<OsString>,
        /// Fail if any of the keys exists
        #[arg(long)]
        if_absent: bool,
    },
    /// Print the values of keys
    Get {
        /// Keys; for one key, its value is printed, for several, lines of key, tab and value
        #[arg(required = true)]
        keys: Vec<OsString>,
        /// Print only the bytes of the value, without a newline; only with a single key
        #[arg(long)]
        raw: bool,
        /// Ignore keys that do not exist
        #[arg(short = 'f', long)]
        force: bool,
    },
    /// Delete keys: all of them, or none
    Del {
        /// Keys that are deleted
        #[arg(required = true)]
        keys: Vec<OsString>,
        /// Fail unless the key has this value; only with a single key
        #[arg(long, value_name = "VALUE")]
        if_value: Option<OsString>,
        /// Ignore keys that do not exist
        #[arg(short = 'f', long, conflicts_with = "if_value")]
        force: bool,
    },
    /// Print all keys and values in no particular order
    List {
        /// Print keys without values
        #[arg(long)]
        keys: bool,
    },
    /// Print each change when it happens: the action, the key, and the length of its new value
    Watch {
        /// Exit after this many changes
        #[arg(long)]
        count: Option<u64>,
    },
    /// Write all keys and values to a file, which is replaced in one step when the dump is complete
    Dump {
        /// File to write; - is standard output
        file: PathBuf,
    },
    /// Set all keys and values of a dump
    Restore {
        /// File to read; - is standard input
        file: PathBuf,
        /// Delete all keys of the store first
        #[arg(long)]
        flush: bool,
    },
    /// Delete all keys of the store
    Flush,
    /// Do nothing but check that the module replies
    Noop,
}

/// An error in the arguments that clap cannot detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// Makes an error with this message.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Returns the bytes of an argument, with escapes replaced if `escapes`.
pub fn bytes(argument: OsString, escapes: bool) -> Result<Vec<u8>, UsageError> {
    let text = argument.into_vec();
    if !escapes {
        return Ok(text);
    }
    let wrong = || {
        let text = String::from_utf8_lossy(&text);
        UsageError::new(format!(
            "\"{text}\": with -e, a backslash must be followed by a backslash or by x and two hexadecimal digits"
        ))
    };
    let mut bytes = Vec::new();
    let mut rest = text.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest {
            [b'\\', after @ ..] => {
                bytes.push(b'\\');
                rest = after;
            }
            [b'x', high, low, after @ ..] => {
                let digit = |byte: &u8| (*byte as char).to_digit(16).ok_or_else(wrong);
                bytes.push((digit(high)? << 4 | digit(low)?) as u8);
                rest = after;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn escapes_are_replaced_by_bytes() {
        let read = |text: &str, escapes| bytes(text.into(), escapes).ok();
        assert_eq!(read(r"a\x00\\b\xFf", true), Some(b"a\0\\b\xff".to_vec()));
        assert_eq!(read(r"a\x00", false), Some(br"a\x00".to_vec()));
        for wrong in [r"\", r"\n", r"\x", r"\x0", r"\x0g"] {
            assert_eq!(read(wrong, true), None, "{wrong}");
        }
    }
}
