// SPDX-License-Identifier: GPL-2.0-only

//! Requests that are written to `/proc/vm_layout`: `<pid>`, `<pid> json=0` or `<pid> json=1`, with at most one newline at
//! the end. A pid consists of decimal digits, of which the first is not 0.

use logic::command_line::{strip_newline, Malformed};

/// A request for a report about one process.
///
/// # Examples
///
/// ```
/// use logic_vm_layout::request::{Format, ReportRequest};
///
/// let request = ReportRequest::parse(b"77 json=1\n").unwrap();
/// assert_eq!((request.pid, request.format), (77, Format::Json));
/// assert!(ReportRequest::parse(b"077").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportRequest {
    /// The id of the process. `u32::MAX`, which no process has, stands for all larger numbers, too.
    pub pid: u32,
    /// The form of the report.
    pub format: Format,
}

/// The form of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Lines for people.
    Text,
    /// JSON for programs.
    Json,
}

impl ReportRequest {
    /// Parses one request.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`] for everything else, and for more than [`MAX_LEN`](logic::command_line::MAX_LEN) bytes.
    pub fn parse(written: &[u8]) -> Result<Self, Malformed> {
        let line = strip_newline(written)?;
        let (pid, format) = match line.iter().position(|byte| *byte == b' ') {
            None => (line, Format::Text),
            Some(space) => match line.split_at(space) {
                (pid, b" json=0") => (pid, Format::Text),
                (pid, b" json=1") => (pid, Format::Json),
                _ => return Err(Malformed),
            },
        };
        let pid = parse_pid(pid)?;
        Ok(Self { pid, format })
    }
}

fn parse_pid(digits: &[u8]) -> Result<u32, Malformed> {
    if matches!(digits, [] | [b'0', ..]) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    Ok(digits.iter().fold(0u32, |pid, digit| {
        pid.saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    }))
}

/// Returns the pid that a module parameter means, as in [`ReportRequest::pid`].
///
/// # Errors
///
/// Returns [`Malformed`] for 0 and for negative numbers.
pub fn pid_of_parameter(pid: i64) -> Result<u32, Malformed> {
    match pid {
        1.. => Ok(u32::try_from(pid).unwrap_or(u32::MAX)),
        _ => Err(Malformed),
    }
}
