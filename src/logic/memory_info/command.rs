// SPDX-License-Identifier: GPL-2.0-only

//! The commands that are written to `/proc/memory_info`.
//!
//! Grammar: exactly `RESET`, `ALL`, `FILTER|<name>` or `DEL|<name>`, case-sensitive, with at most one newline at the end.
//! The name is everything after the first `|`.

use logic::command_line::{strip_newline, Malformed};

/// One command. Its name is borrowed from the written bytes.
///
/// # Examples
///
/// ```
/// use logic_memory_info::command::Command;
///
/// assert_eq!(Command::parse(b"FILTER|sshd\n"), Ok(Command::Filter(b"sshd")));
/// assert!(Command::parse(b"filter|sshd").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Scans all processes and replaces the data.
    Reset,
    /// Shows every set.
    All,
    /// Shows the set of this name.
    Filter(&'a [u8]),
    /// Removes the set of this name.
    Del(&'a [u8]),
}

impl<'a> Command<'a> {
    /// Parses one command.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`] for an unknown word, an empty name, several lines, an embedded NUL, or more
    /// than [`MAX_LEN`](logic::command_line::MAX_LEN) bytes.
    pub fn parse(written: &'a [u8]) -> Result<Self, Malformed> {
        let line = strip_newline(written)?;
        if line.iter().any(|byte| matches!(byte, b'\n' | 0)) {
            return Err(Malformed);
        }
        let (word, name) = match line.iter().position(|byte| *byte == b'|') {
            Some(bar) => {
                let (word, rest) = line.split_at(bar);
                (word, rest.get(1..))
            }
            None => (line, None),
        };
        match (word, name) {
            (b"RESET", None) => Ok(Self::Reset),
            (b"ALL", None) => Ok(Self::All),
            (b"FILTER", Some(name)) if !name.is_empty() => Ok(Self::Filter(name)),
            (b"DEL", Some(name)) if !name.is_empty() => Ok(Self::Del(name)),
            _ => Err(Malformed),
        }
    }
}
