// SPDX-License-Identifier: GPL-2.0-only

//! The line that the module must print for a set of processes.
//!
//! The format is written out here a second time: the oracle does not share code with the parser of the module's answers.

use std::fmt;

/// The expected line of one set. All sizes are numbers of pages.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// Name as the module must print it, with control bytes and backslashes escaped.
    pub name: Vec<u8>,
    /// Pages in all VMAs.
    pub total: u64,
    /// Pages that are present.
    pub valid: u64,
    /// Read-only pages that have an identical page in the set.
    pub may_be_shared: u64,
    /// Number of groups of identical read-only pages.
    pub nb_group: u64,
    /// Thread group ids in ascending order.
    pub pids: Vec<i32>,
}

impl Line {
    /// Returns the number of pages that are not present.
    pub fn invalid(&self) -> u64 {
        self.total - self.valid
    }

    /// Returns the line as the module must print it, with its newline.
    pub fn print(&self) -> Vec<u8> {
        let Self {
            total,
            valid,
            may_be_shared,
            nb_group,
            ..
        } = self;
        let mut text = self.name.clone();
        text.extend(format!(", total: {total}, valid: {valid}").bytes());
        text.extend(format!(", invalid: {}", self.invalid()).bytes());
        text.extend(format!(", may_be_shared: {may_be_shared}, nb_group: {nb_group}").bytes());
        let count = self.pids.len();
        for (index, pid) in self.pids.iter().enumerate() {
            let before = match index {
                0 => format!(", pid({count}): "),
                _ => "; ".to_owned(),
            };
            text.extend(format!("{before}{pid}").bytes());
        }
        text.push(b'\n');
        text
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.print().trim_ascii_end().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_is_printed() {
        let line = Line {
            name: b"sshd".to_vec(),
            total: 7845,
            valid: 75,
            may_be_shared: 4,
            nb_group: 2,
            pids: vec![861, 867, 892],
        };
        let expected =
            "sshd, total: 7845, valid: 75, invalid: 7770, may_be_shared: 4, nb_group: 2, \
            pid(3): 861; 867; 892\n";
        assert_eq!(line.print(), expected.as_bytes());
    }
}
