// SPDX-License-Identifier: GPL-2.0-only

//! The text report. Any deviation from its format is an error.

use super::{Area, Entry, Report, Span, SEGMENTS};
use anyhow::{bail, ensure, Context, Result};
use regex::bytes::{Captures, Regex};
use std::iter::Peekable;
use std::str::FromStr;

/// The lines of a report that are not parsed yet.
struct Lines<'a, I: Iterator<Item = &'a [u8]>>(Peekable<I>);

impl<'a, I: Iterator<Item = &'a [u8]>> Lines<'a, I> {
    /// Consumes the next line, which must match `pattern` as a whole, and returns the groups of the pattern.
    fn next(&mut self, pattern: &Regex) -> Result<Captures<'a>> {
        let line = self.0.next().context("the report ends too early")?;
        pattern.captures(line).with_context(|| {
            format!(
                "the line \"{}\" does not match {pattern}",
                line.escape_ascii()
            )
        })
    }
}

/// Compiles a pattern that must match a whole line.
fn pattern(text: &str) -> Result<Regex> {
    Ok(Regex::new(&format!("^(?s-u:{text})$"))?)
}

fn word<'a>(groups: &Captures<'a>, index: usize) -> Result<&'a str> {
    let group = groups.get(index).context("the pattern has no such group")?;
    Ok(std::str::from_utf8(group.as_bytes())?)
}

fn decimal<T: FromStr>(groups: &Captures, index: usize) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    word(groups, index)?.parse().context("not a number")
}

fn hex(groups: &Captures, index: usize) -> Result<u64> {
    Ok(u64::from_str_radix(word(groups, index)?, 16)?)
}

fn span(groups: &Captures, first: usize) -> Result<Span> {
    Ok(Span {
        start: hex(groups, first)?,
        end: hex(groups, first + 1)?,
        size: decimal(groups, first + 2)?,
    })
}

/// Parses a text report.
pub fn parse(text: &[u8]) -> Result<Report> {
    let text = text
        .strip_suffix(b"\n")
        .context("the report does not end with a newline")?;
    let mut lines = Lines(text.split(|&byte| byte == b'\n').peekable());
    let process = lines.next(&pattern(r"process (\d+) \((.*)\)")?)?;
    let count: usize = decimal(&lines.next(&pattern(r"areas: (\d+)")?)?, 1)?;
    let area = pattern(
        r"([0-9a-f]{16}) ([0-9a-f]{16}) (\d+) ([r-][w-][x-][sp]) ([0-9a-f]{8,})(?: (.+))?",
    )?;
    let areas = (0..count).map(|_| {
        let groups = lines.next(&area)?;
        Ok(Area {
            span: span(&groups, 1)?,
            permissions: word(&groups, 4)?.to_owned(),
            offset: hex(&groups, 5)?,
            name: groups
                .get(6)
                .map(|name| name.as_bytes().to_owned())
                .unwrap_or_default(),
        })
    });
    let areas = areas.collect::<Result<_>>()?;
    let mut segments = std::collections::BTreeMap::new();
    for name in SEGMENTS {
        let groups = lines.next(&pattern(&format!(
            r"{name}: ([0-9a-f]{{16}}) ([0-9a-f]{{16}}) (\d+)"
        ))?)?;
        segments.insert(name.to_owned(), span(&groups, 1)?);
    }
    let rss = lines.next(&pattern(
        r"rss: (\d+) pages \(anonymous (\d+), file (\d+), shared memory (\d+)\)",
    )?)?;
    let swap = lines.next(&pattern(r"swap: (\d+) pages")?)?;
    let page_tables = lines.next(&pattern(r"page tables: (\d+) bytes")?)?;
    let total_vm = lines.next(&pattern(r"total_vm: (\d+) pages")?)?;
    let usage = [
        ("rss", decimal(&rss, 1)?),
        ("anonymous", decimal(&rss, 2)?),
        ("file", decimal(&rss, 3)?),
        ("shared memory", decimal(&rss, 4)?),
        ("swap", decimal(&swap, 1)?),
        ("page tables", decimal(&page_tables, 1)?),
        ("total_vm", decimal(&total_vm, 1)?),
    ];
    let (levels, entries) = top_level(&mut lines)?;
    Ok(Report {
        pid: decimal(&process, 1)?,
        name: process[2].to_owned(),
        areas,
        segments,
        usage: usage.into(),
        levels,
        entries,
    })
}

/// Parses the page table, which is the last part. Requires that each of the 512 entries is listed, in order.
fn top_level<'a>(
    lines: &mut Lines<'a, impl Iterator<Item = &'a [u8]>>,
) -> Result<(u64, Vec<Entry>)> {
    let head = lines.next(&pattern(
        r"top-level page table: (\d) levels, (\d+) of 512 entries used",
    )?)?;
    let used = pattern(
        r"entry (\d+): ([0-9a-f]{16})-([0-9a-f]{16}) -> ([0-9a-f]{16}) ([A-Z0-9_]+(?:\|[A-Z0-9_]+)*)",
    )?;
    let empty =
        pattern(r"(?:entry (\d+)|entries (\d+)-(\d+)): ([0-9a-f]{16})-([0-9a-f]{16}) empty")?;
    let levels: u64 = decimal(&head, 1)?;
    let mut entries = Vec::new();
    let (mut next, mut last_empty) = (0, false);
    while let Some(line) = lines.0.peek() {
        if let Some(groups) = empty.captures(line) {
            ensure!(!last_empty, "two adjacent lines describe empty entries");
            last_empty = true;
            let (first, last): (usize, usize) = match groups.get(1) {
                Some(_) => (decimal(&groups, 1)?, decimal(&groups, 1)?),
                None => (decimal(&groups, 2)?, decimal(&groups, 3)?),
            };
            ensure!(first == next && last >= first, "entry {next} is missing");
            let expected = (covered(first, levels).0, covered(last, levels).1);
            ensure!(
                (hex(&groups, 4)?, hex(&groups, 5)?) == expected,
                "entries {first} to {last} must cover {expected:x?}"
            );
            next = last + 1;
            lines.0.next();
            continue;
        }
        last_empty = false;
        let groups = lines.next(&used)?;
        let entry = Entry {
            index: decimal(&groups, 1)?,
            covers: (hex(&groups, 2)?, hex(&groups, 3)?),
            table: hex(&groups, 4)?,
            flags: word(&groups, 5)?.split('|').map(str::to_owned).collect(),
        };
        ensure!(entry.index == next, "entry {next} is missing");
        let expected = covered(next, levels);
        ensure!(
            entry.covers == expected,
            "entry {next} must cover {expected:x?}, but covers {:x?}",
            entry.covers
        );
        next += 1;
        entries.push(entry);
    }
    if next != 512 || entries.len() != decimal::<usize>(&head, 2)? {
        bail!(
            "the report lists {next} entries, {} of them used",
            entries.len()
        );
    }
    Ok((levels, entries))
}

/// Returns the first and the last address that the processor translates with an entry of the top level.
fn covered(index: usize, levels: u64) -> (u64, u64) {
    let size = 1u64 << (12 + 9 * (levels - 1));
    let start = index as u64 * size;
    // The addresses of the upper half are above the hole of non-canonical addresses.
    let start = if index < 256 {
        start
    } else {
        0u64.wrapping_sub((512 - index as u64) * size)
    };
    (start, start + (size - 1))
}

#[cfg(test)]
mod tests {
    use super::{covered, parse};

    const REPORT: &str = "\
process 7 (a (b) c)
areas: 2
0000000000400000 0000000000401000 4096 r-xp 00000000 /a file
0000000000401000 0000000000403000 8192 rw-s 123456789000
code: 0000000000400000 0000000000400fff 4095
data: 0000000000000000 0000000000000000 0
stack: 0000000000000000 0000000000000000 0
heap: 0000000000000000 0000000000000000 0
arguments: 0000000000000000 0000000000000000 0
environment: 0000000000000000 0000000000000000 0
rss: 6 pages (anonymous 1, file 2, shared memory 3)
swap: 0 pages
page tables: 4096 bytes
total_vm: 3 pages
top-level page table: 4 levels, 1 of 512 entries used
entry 0: 0000000000000000-0000007fffffffff -> 0000000000123000 PRESENT|RW|BIT52
entries 1-511: 0000008000000000-ffffffffffffffff empty
";

    #[test]
    fn a_report_is_parsed() {
        let report = parse(REPORT.as_bytes()).unwrap();
        assert_eq!((report.pid, report.name), (7, b"a (b) c".to_vec()));
        assert_eq!(report.areas[0].name, b"/a file");
        assert_eq!(report.areas[1].offset, 0x1234_5678_9000);
        assert_eq!(report.usage["shared memory"], 3);
        assert_eq!(report.entries[0].flags, ["PRESENT", "RW", "BIT52"]);
    }

    #[test]
    fn anything_else_is_refused() {
        for (from, to) in [
            ("empty\n", "empty"),
            ("areas: 2", "areas: 1"),
            ("areas: 2", "areas: 3"),
            (" 4096 r-xp", "  4096 r-xp"),
            ("r-xp", "r-xq"),
            ("heap: ", "Heap: "),
            ("swap: 0 pages\n", ""),
            ("entries 1-511", "entries 2-511"),
            ("1-511: 0000008000000000", "1-511: 0000000000000000"),
            ("0000007fffffffff", "0000008000000000"),
            ("1 of 512", "2 of 512"),
            ("PRESENT|", "PRESENT||"),
            ("ffffffffffffffff empty\n", "ffffffffffffffff empty\nmore\n"),
        ] {
            let changed = REPORT.replacen(from, to, 1);
            assert_ne!(changed, REPORT);
            assert!(parse(changed.as_bytes()).is_err(), "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn the_upper_half_lies_above_the_hole() {
        assert_eq!(covered(255, 4), (0x7f80_0000_0000, 0x7fff_ffff_ffff));
        assert_eq!(
            covered(256, 4),
            (0xffff_8000_0000_0000, 0xffff_807f_ffff_ffff)
        );
        assert_eq!(covered(511, 5), (0xffff_0000_0000_0000, u64::MAX));
    }
}
