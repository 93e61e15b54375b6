// SPDX-License-Identifier: GPL-2.0-only

//! The independent oracle: computes what a report must say from `/proc/<pid>/{maps,stat,status,statm,smaps_rollup}`.
//!
//! It shares no code with the module.

use super::{Area, Report, Span};
use crate::case::check_eq;
use crate::escape::escape;
use anyhow::{ensure, Context, Result};
use std::collections::BTreeMap;

/// Size of a page in bytes.
const PAGE: u64 = 4096;
/// First address of the half of the kernel. `[vsyscall]` is there and is not a VMA of the process.
const UPPER_HALF: u64 = 1 << 63;

/// Requires that every value of the report, except for its page table, is the one in the kernel's own files about the
/// process, which must not change.
pub fn check(report: &Report) -> Result<()> {
    let pid = report.pid;
    let areas = areas(pid)?;
    for (index, (reported, expected)) in report.areas.iter().zip(&areas).enumerate() {
        check_eq(&format!("area {index}"), reported, expected)?;
    }
    check_eq("number of areas", report.areas.len(), areas.len())?;
    let comm = std::fs::read(format!("/proc/{pid}/comm"))?;
    let comm = escape(comm.strip_suffix(b"\n").unwrap_or(&comm));
    check_eq("name", &report.name, &comm)?;
    check_segments(report, &areas)?;
    check_usage(report)
}

fn read(pid: i32, file: &str) -> Result<Vec<u8>> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read(&path).with_context(|| format!("cannot read {path}"))
}

/// Returns the VMAs of a process.
fn areas(pid: i32) -> Result<Vec<Area>> {
    let maps = read(pid, "maps")?;
    let mut areas = Vec::new();
    for line in maps.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let area = area(line).with_context(|| format!("maps: {}", line.escape_ascii()))?;
        if area.span.start < UPPER_HALF {
            areas.push(area);
        }
    }
    Ok(areas)
}

/// Parses a line of maps: `start-end perms offset device inode   name`.
fn area(line: &[u8]) -> Result<Area> {
    let mut rest = line;
    let mut word = || -> Result<&str> {
        let end = rest
            .iter()
            .position(|&byte| byte == b' ')
            .unwrap_or(rest.len());
        let word = std::str::from_utf8(&rest[..end])?;
        rest = rest.get(end + 1..).unwrap_or_default();
        Ok(word)
    };
    let (start, end) = word()?
        .split_once('-')
        .context("a line of maps has no range")?;
    let permissions = word()?.to_owned();
    let offset = u64::from_str_radix(word()?, 16)?;
    let (_device, _inode) = (word()?, word()?);
    let span = Span::new(
        u64::from_str_radix(start, 16)?,
        u64::from_str_radix(end, 16)?,
    );
    Ok(Area {
        span,
        permissions,
        offset,
        name: escape(&without_escapes(rest.trim_ascii_start())),
    })
}

/// Returns the name that maps shows, in which only newlines are escaped.
fn without_escapes(name: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = name.split(|&byte| byte == b'\\').collect();
    let mut bytes = pieces[0].to_vec();
    for piece in &pieces[1..] {
        match piece.strip_prefix(b"012") {
            Some(rest) => bytes.extend([b"\n", rest].concat()),
            None => bytes.extend([b"\\", *piece].concat()),
        }
    }
    bytes
}

fn check_segments(report: &Report, areas: &[Area]) -> Result<()> {
    let stat = String::from_utf8_lossy(&read(report.pid, "stat")?).into_owned();
    let (_, rest) = stat
        .rsplit_once(") ")
        .context("stat does not contain a name")?;
    // proc_pid_stat(5) counts from 1, and the name is field 2.
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| -> Result<u64> {
        let field = fields.get(number - 3).context("stat is too short")?;
        field.parse().context("not a number in stat")
    };
    let around = |address: u64| {
        let mut spans = areas.iter().map(|area| area.span);
        spans.find(|span| (span.start..span.end).contains(&address))
    };
    let stack = around(field(28)?).context("no area contains the start of the stack")?;
    let expected = [
        ("code", Span::new(field(26)?, field(27)?)),
        ("data", Span::new(field(45)?, field(46)?)),
        ("stack", stack),
        ("arguments", Span::new(field(48)?, field(49)?)),
        ("environment", Span::new(field(50)?, field(51)?)),
    ];
    for (name, span) in expected {
        check_eq(name, report.segments[name], span)?;
    }
    // The kernel's files show only the page in which the heap ends.
    let heap = report.segments["heap"];
    check_eq("start of the heap", heap.start, field(47)?)?;
    check_eq("size of the heap", heap.size, heap.end - heap.start)?;
    let mapped = areas.iter().rfind(|area| area.name == b"[heap]");
    match mapped {
        Some(area) => check_eq(
            "last page of the heap",
            heap.end.next_multiple_of(PAGE),
            area.span.end,
        ),
        None => check_eq("size of a heap that is not mapped", heap.size, 0),
    }
}

/// Parses the lines of the form `name: number kB` of a file about a process.
fn kilobytes(pid: i32, file: &str) -> Result<BTreeMap<String, u64>> {
    let text = String::from_utf8_lossy(&read(pid, file)?).into_owned();
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let number = rest.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name.to_owned(), number))
    });
    Ok(lines.collect())
}

fn check_usage(report: &Report) -> Result<()> {
    let usage = |name: &str| report.usage[name];
    let status = kilobytes(report.pid, "status")?;
    for (name, label) in [
        ("rss", "VmRSS"),
        ("anonymous", "RssAnon"),
        ("file", "RssFile"),
        ("shared memory", "RssShmem"),
        ("swap", "VmSwap"),
        ("total_vm", "VmSize"),
    ] {
        let kilobytes = status
            .get(label)
            .with_context(|| format!("status does not contain {label}"))?;
        check_eq(&format!("{name} and {label}"), usage(name) * 4, *kilobytes)?;
    }
    check_eq(
        "page tables and VmPTE",
        usage("page tables") >> 10,
        status["VmPTE"],
    )?;
    let statm = String::from_utf8_lossy(&read(report.pid, "statm")?).into_owned();
    let statm: Vec<u64> = statm
        .split_whitespace()
        .map(|word| Ok(word.parse()?))
        .collect::<Result<_>>()?;
    ensure!(statm.len() >= 3, "statm is too short: {statm:?}");
    check_eq("total_vm and statm", usage("total_vm"), statm[0])?;
    check_eq("rss and statm", usage("rss"), statm[1])?;
    let shared = usage("file") + usage("shared memory");
    check_eq("shared and statm", shared, statm[2])?;
    let areas: u64 = report.areas.iter().map(|area| area.span.size).sum();
    check_eq("total_vm and the areas", usage("total_vm") * PAGE, areas)?;
    let rollup = kilobytes(report.pid, "smaps_rollup")?;
    check_eq("rss and smaps_rollup", usage("rss") * 4, rollup["Rss"])
}
