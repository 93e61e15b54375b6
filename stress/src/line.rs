// SPDX-License-Identifier: GPL-2.0-only

//! The line that stands for a set of processes (the statement's Listing 1).

/// Page counts of one set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    pub total: u64,
    pub valid: u64,
    pub invalid: u64,
    pub may_be_shared: u64,
    pub nb_group: u64,
}

/// One set of processes of the same name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// As printed, special bytes escaped.
    pub name: Vec<u8>,
    pub counts: Counts,
    pub pids: Vec<i32>,
}

/// A name as the module prints it: control bytes and backslashes as `\ooo`.
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

/// Parses the answer to ALL or FILTER and checks what holds for any set at any moment: the format to
/// the byte, sums, and the order of the pids.
pub fn parse(text: &[u8]) -> Result<Vec<Line>, String> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|bytes| {
            let shown = || bytes.escape_ascii().to_string();
            let line = parse_line(bytes)
                .filter(|line| line.print() == bytes)
                .ok_or_else(|| format!("not in Listing 1's format: {}", shown()))?;
            line.check().map_err(|why| format!("{why}: {}", shown()))?;
            Ok(line)
        })
        .collect()
}

impl Line {
    /// The line in Listing 1's format, newline included.
    pub fn print(&self) -> Vec<u8> {
        let counts = &self.counts;
        let pids: Vec<String> = self.pids.iter().map(i32::to_string).collect();
        let rest = format!(
            ", total: {}, valid: {}, invalid: {}, may_be_shared: {}, nb_group: {}, pid({}): {}\n",
            counts.total,
            counts.valid,
            counts.invalid,
            counts.may_be_shared,
            counts.nb_group,
            pids.len(),
            pids.join("; ")
        );
        [self.name.as_slice(), rest.as_bytes()].concat()
    }

    fn check(&self) -> Result<(), &'static str> {
        let counts = &self.counts;
        if counts.valid + counts.invalid != counts.total {
            return Err("valid and invalid do not add up to total");
        }
        if counts.may_be_shared > counts.valid {
            return Err("more shareable than valid pages");
        }
        if counts.may_be_shared < 2 * counts.nb_group
            || (counts.may_be_shared == 0) != (counts.nb_group == 0)
        {
            return Err("a group has at least two pages");
        }
        if self.pids.is_empty() || !self.pids.is_sorted_by(|a, b| a < b) {
            return Err("pids are missing or do not ascend");
        }
        Ok(())
    }
}

fn parse_line(bytes: &[u8]) -> Option<Line> {
    // From the right: a name may hold anything, ", total: " too.
    let at = bytes
        .windows(b", total: ".len())
        .rposition(|window| window == b", total: ")?;
    let (name, rest) = bytes.split_at(at);
    let rest = std::str::from_utf8(rest).ok()?.strip_suffix('\n')?;
    let mut numbers = rest.split(|byte: char| !byte.is_ascii_digit());
    let mut next = || {
        numbers
            .by_ref()
            .find(|number| !number.is_empty())?
            .parse::<u64>()
            .ok()
    };
    let counts = Counts {
        total: next()?,
        valid: next()?,
        invalid: next()?,
        may_be_shared: next()?,
        nb_group: next()?,
    };
    let number = next()?;
    let pids: Vec<i32> =
        std::iter::from_fn(|| next().and_then(|pid| pid.try_into().ok())).collect();
    (pids.len() as u64 == number).then_some(Line {
        name: name.to_vec(),
        counts,
        pids,
    })
}

#[cfg(test)]
mod tests {
    use super::{escape, parse};

    const GOOD: &str =
        "a, total: 9, valid: 5, invalid: 4, may_be_shared: 3, nb_group: 1, pid(2): 7; 12\n";

    #[test]
    fn a_line_is_parsed() {
        let lines = parse(GOOD.as_bytes()).expect("a line");
        assert_eq!(lines[0].pids, [7, 12]);
        assert_eq!(lines[0].counts.may_be_shared, 3);
    }

    #[test]
    fn names_may_look_like_fields() {
        let text = GOOD.replacen("a,", ", total: 3,", 1);
        assert_eq!(
            parse(text.as_bytes()).expect("a line")[0].name,
            b", total: 3"
        );
    }

    #[test]
    fn wrong_lines_are_refused() {
        for (right, wrong) in [
            ("\n", ""),
            ("; ", ";"),
            ("pid(2)", "pid(3)"),
            ("7; 12", "12; 7"),
            ("valid: 5", "valid: 6"),
            ("shared: 3", "shared: 1"),
            ("shared: 3", "shared: 6"),
            ("nb_group: 1", "nb_group: 0"),
            ("total", "sum"),
        ] {
            let text = GOOD.replacen(right, wrong, 1);
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn special_bytes_are_escaped() {
        assert_eq!(escape(b"a\tb\\\xff|"), b"a\\011b\\134\xff|");
    }
}
