// SPDX-License-Identifier: GPL-2.0-only

//! The commands that `/proc/memory_info` takes.
//!
//! Grammar (statement, section 3; design: "Grammar"): exactly `RESET`, `ALL`, `FILTER|<name>` or
//! `DEL|<name>`, case-sensitive, with at most one newline at the end. All that follows the first `|`
//! is the name.

use logic::command_line::{strip_newline, Malformed};

/// One command, its name borrowed from what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Scan all processes and replace the data.
    Reset,
    /// Show every set.
    All,
    /// Show the set of this name.
    Filter(&'a [u8]),
    /// Remove the set of this name.
    Del(&'a [u8]),
}

impl<'a> Command<'a> {
    /// Reads one command.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for an unknown word, an empty name, several lines, an embedded NUL, or more
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
