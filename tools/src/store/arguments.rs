// SPDX-License-Identifier: GPL-2.0-only

//! What the command line says.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A command with its arguments.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Give keys values: all of them, or none
    Set {
        /// A key, its value, and so on; the value - is read from the standard input, and what begins with a hyphen comes behind --
        #[arg(required = true, num_args = 2.., value_names = ["KEY", "VALUE"])]
        pairs: Vec<OsString>,
        /// Only if the key, of which there is one, has this value
        #[arg(long, value_name = "VALUE", conflicts_with = "if_absent")]
        if_value: Option<OsString>,
        /// Only if none of the keys is there
        #[arg(long)]
        if_absent: bool,
    },
    /// Print the values of keys
    Get {
        /// One key prints its value; several print lines of key, tab and value
        #[arg(required = true)]
        keys: Vec<OsString>,
        /// Print the value's bytes only, without a newline behind them
        #[arg(long)]
        raw: bool,
        /// Leave keys out that are not there
        #[arg(short = 'f', long)]
        force: bool,
    },
    /// Delete keys: all of them, or none
    Del {
        /// The keys
        #[arg(required = true)]
        keys: Vec<OsString>,
        /// Only if the key, of which there is one, has this value
        #[arg(long, value_name = "VALUE")]
        if_value: Option<OsString>,
        /// Keys that are not there are no error
        #[arg(short = 'f', long, conflicts_with = "if_value")]
        force: bool,
    },
    /// Print all keys and values, in no order
    List {
        /// Print only the keys
        #[arg(long)]
        keys: bool,
    },
    /// Print each change as it comes: what was done, the key, and the length of its new value
    Watch {
        /// End after so many changes
        #[arg(long)]
        count: Option<u64>,
    },
    /// Write all keys and values to a file, which appears when it is whole
    Dump {
        /// The file; - is the standard output
        file: PathBuf,
    },
    /// Set all keys and values that are in a file
    Restore {
        /// The file; - is the standard input
        file: PathBuf,
        /// Delete all that is there before
        #[arg(long)]
        flush: bool,
    },
    /// Delete all keys
    Flush,
    /// Ask for nothing: tells whether the module answers
    Noop,
}

/// A command line that cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Wrong {
    /// Says why.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The bytes that an argument stands for.
pub fn bytes(argument: OsString, escapes: bool) -> Result<Vec<u8>, Wrong> {
    let text = argument.into_vec();
    if !escapes {
        return Ok(text);
    }
    let wrong = || {
        let text = String::from_utf8_lossy(&text);
        Wrong::new(format!(
            "\"{text}\": with -e, a backslash stands before a backslash or xhh"
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
    fn escapes_stand_for_bytes() {
        let read = |text: &str, escapes| bytes(text.into(), escapes).ok();
        assert_eq!(read(r"a\x00\\b\xFf", true), Some(b"a\0\\b\xff".to_vec()));
        assert_eq!(read(r"a\x00", false), Some(br"a\x00".to_vec()));
        for wrong in [r"\", r"\n", r"\x", r"\x0", r"\x0g"] {
            assert_eq!(read(wrong, true), None, "{wrong}");
        }
    }
}
