// SPDX-License-Identifier: GPL-2.0-only

//! The lines that `memory_info` answers to ALL and FILTER: one for each set of processes of the same name.
//!
//! A line looks like this:
//!
//! ```text
//! sshd, total: 7845, valid: 75, invalid: 7770, may_be_shared: 4, nb_group: 2, pid(3): 861; 867; 892
//! ```

use anyhow::{ensure, Context, Result};
use std::fmt;
use std::io::Write;

/// The line of one set. All sizes are numbers of pages.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// Name as it is printed, see [`escape`].
    pub name: Vec<u8>,
    /// Pages in all VMAs.
    pub total: u64,
    /// Pages that are present.
    pub valid: u64,
    /// Pages that are not present.
    pub invalid: u64,
    /// Read-only pages that have an identical page in the set.
    pub may_be_shared: u64,
    /// Number of groups of identical read-only pages.
    pub nb_group: u64,
    /// Thread group ids in the order in which they are printed.
    pub pids: Vec<i32>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.print().trim_ascii_end().escape_ascii())
    }
}

impl Line {
    /// Returns the line as the module prints it, with its newline.
    pub fn print(&self) -> Vec<u8> {
        let mut text = self.name.clone();
        let pids: Vec<String> = self.pids.iter().map(i32::to_string).collect();
        writeln!(
            text,
            ", total: {}, valid: {}, invalid: {}, may_be_shared: {}, nb_group: {}, pid({}): {}",
            self.total,
            self.valid,
            self.invalid,
            self.may_be_shared,
            self.nb_group,
            self.pids.len(),
            pids.join("; ")
        )
        .expect("writing to a vector cannot fail");
        text
    }

    /// Returns true if all five counts are those of `other`.
    pub fn has_counts_of(&self, other: &Self) -> bool {
        let counts = |line: &Self| {
            [
                line.total,
                line.valid,
                line.invalid,
                line.may_be_shared,
                line.nb_group,
            ]
        };
        counts(self) == counts(other)
    }

    /// Checks what holds for any set at any moment: the sums, the sizes of groups, and the order of the pids.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.valid + self.invalid == self.total,
            "valid + invalid is not total: {self:?}"
        );
        ensure!(
            self.may_be_shared <= self.valid,
            "more shareable than valid pages: {self:?}"
        );
        ensure!(
            self.may_be_shared >= 2 * self.nb_group
                && (self.may_be_shared == 0) == (self.nb_group == 0),
            "a group has at least two pages: {self:?}"
        );
        ensure!(!self.pids.is_empty(), "a set without processes: {self:?}");
        ensure!(
            self.pids.is_sorted_by(|a, b| a < b),
            "pids do not ascend: {self:?}"
        );
        Ok(())
    }
}

/// Parses the answer to ALL or FILTER. Each line must print as the same bytes again, so any deviation from the format
/// is an error.
pub fn parse(text: &[u8]) -> Result<Vec<Line>> {
    text.split_inclusive(|&byte| byte == b'\n')
        .map(|bytes| {
            parse_line(bytes)
                .filter(|line| line.print() == bytes)
                .with_context(|| {
                    format!(
                        "not a line of the answer to ALL or FILTER: \"{}\"",
                        bytes.escape_ascii()
                    )
                })
        })
        .collect()
}

/// Parses the answer to ALL or FILTER, and checks each line; see [`parse`] and [`Line::check`].
pub fn parse_checked(text: &[u8]) -> Result<Vec<Line>> {
    let lines = parse(text)?;
    lines.iter().try_for_each(Line::check)?;
    Ok(lines)
}

fn parse_line(bytes: &[u8]) -> Option<Line> {
    // From the right: a name may contain anything, ", total: " included.
    let (rest, pids) = split_last(bytes, b"pid(")?;
    let pids = std::str::from_utf8(pids).ok()?.split_once("): ")?.1;
    let pids = pids
        .trim_end()
        .split("; ")
        .map(|pid| pid.parse().ok())
        .collect::<Option<_>>()?;
    let (rest, nb_group) = number(rest, b", nb_group: ")?;
    let (rest, may_be_shared) = number(rest, b", may_be_shared: ")?;
    let (rest, invalid) = number(rest, b", invalid: ")?;
    let (rest, valid) = number(rest, b", valid: ")?;
    let (name, total) = number(rest, b", total: ")?;
    Some(Line {
        name: name.to_vec(),
        total,
        valid,
        invalid,
        may_be_shared,
        nb_group,
        pids,
    })
}

fn number<'a>(bytes: &'a [u8], label: &[u8]) -> Option<(&'a [u8], u64)> {
    let (rest, digits) = split_last(bytes, label)?;
    let digits = std::str::from_utf8(digits).ok()?.trim_end_matches(", ");
    Some((rest, digits.parse().ok()?))
}

fn split_last<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(separator.len())
        .rposition(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

/// Returns a process name as the module prints it: control characters, backslashes and bytes that are not part of valid
/// UTF-8 as `\ooo`, each byte by itself.
pub fn escape(name: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    let put_escaped = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().map(|byte| format!("\\{byte:03o}")));
    };
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                put_escaped(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        put_escaped(&mut text, chunk.invalid());
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &[u8] = b"sshd, total: 7845, valid: 75, invalid: 7770, may_be_shared: 4, \
        nb_group: 2, pid(3): 861; 867; 892\n";

    #[test]
    fn a_line_is_parsed() {
        let lines = parse(LISTING).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].name, b"sshd");
        assert_eq!(lines[0].pids, [861, 867, 892]);
        assert_eq!(
            (lines[0].total, lines[0].valid, lines[0].invalid),
            (7845, 75, 7770)
        );
        assert_eq!((lines[0].may_be_shared, lines[0].nb_group), (4, 2));
        lines[0].check().unwrap();
    }

    #[test]
    fn names_may_look_like_the_rest_of_the_line() {
        let text = [b"a, total: 1, pid(1): 2", &LISTING[4..]].concat();
        assert_eq!(parse(&text).unwrap()[0].name, b"a, total: 1, pid(1): 2");
    }

    #[test]
    fn anything_else_is_refused() {
        let text = String::from_utf8(LISTING.to_vec()).unwrap();
        for (from, to) in [
            ("\n", ""),
            ("\n", " \n"),
            (", valid", ",  valid"),
            ("7845", "07845"),
            ("pid(3)", "pid(2)"),
            ("; 892", ";892"),
            (", nb_group: 2", ""),
        ] {
            assert!(
                parse(text.replace(from, to).as_bytes()).is_err(),
                "{from:?} -> {to:?}"
            );
        }
    }

    #[test]
    fn invariants_are_checked() {
        let good = parse(LISTING).unwrap().remove(0);
        let broken: [fn(&mut Line); 5] = [
            |line| line.invalid += 1,
            |line| line.may_be_shared = 3,
            |line| line.nb_group = 0,
            |line| line.pids.swap(0, 1),
            |line| line.pids.clear(),
        ];
        for break_it in broken {
            let mut line = good.clone();
            break_it(&mut line);
            assert!(line.check().is_err(), "{line:?}");
            assert!(parse_checked(&line.print()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn control_bytes_are_escaped() {
        assert_eq!(escape(b"a\tb\\\x7f\xff|"), b"a\\011b\\134\\177\\377|");
        let name = "\u{e4}\u{9b}".as_bytes();
        assert_eq!(escape(name), "\u{e4}\\302\\233".as_bytes());
        assert_eq!(escape(&name[1..]), b"\\244\\302\\233");
    }
}
