// SPDX-License-Identifier: GPL-2.0-only

//! The form that the commands of all command files in `/proc` have: one line of at most [`MAX_LEN`]
//! bytes, written by one `write(2)`.

use crate::errno::Errno;
use kernel::alloc::AllocError;

/// Longest command in bytes, its newline included.
pub const MAX_LEN: usize = 64;

/// What the file shows after a command that succeeded and has no other result.
pub const SUCCESS: &str = "[SUCCESS]\n";

/// The written bytes are not a command of this file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Returns the written bytes without the newline at their end, if they have one.
///
/// # Errors
///
/// Returns [`Malformed`] for more than [`MAX_LEN`] bytes.
///
/// # Examples
///
/// ```
/// use logic::command_line::{strip_newline, Malformed};
///
/// assert_eq!(strip_newline(b"ALL\n"), Ok(&b"ALL"[..]));
/// assert_eq!(strip_newline(b"ALL\n\n"), Ok(&b"ALL\n"[..]));
/// assert_eq!(strip_newline(&[b'A'; 65]), Err(Malformed));
/// ```
pub fn strip_newline(written: &[u8]) -> Result<&[u8], Malformed> {
    if written.len() > MAX_LEN {
        return Err(Malformed);
    }
    Ok(written.strip_suffix(b"\n").unwrap_or(written))
}

/// The reasons why a command of one file fails. Each module has an enum of its own.
pub trait CommandFailure:
    Copy + PartialEq + Send + Sync + From<AllocError> + From<Malformed> + 'static
{
    /// Every failure.
    const ALL: &'static [Self];

    /// The command could not be read from the caller's memory.
    const BAD_ADDRESS: Self;

    /// Returns the line that the file and the log show, its newline included.
    fn line(self) -> &'static str;

    /// Returns the error number of a write that ends with this failure.
    fn errno(self) -> Errno;
}
