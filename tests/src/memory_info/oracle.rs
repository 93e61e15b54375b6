// SPDX-License-Identifier: GPL-2.0-only

//! The independent oracle: computes in user space what `memory_info` must answer.
//!
//! It reads `/proc/<pid>/smaps`, `pagemap` and `mem`, compares pages byte by byte and never by a hash, and stores nothing
//! about physical pages. To stay independent, it shares no code with the module, nor with the crate `guest`, which parses
//! the module's answers: it prints the expected lines itself, and the answers are compared as bytes.

mod address_space;
mod census;
mod line;

pub use line::Line;

use crate::case::{check_eq, check_text};
use crate::escape::escape;
use crate::memory_info;
use address_space::Page;
use anyhow::{bail, Result};
use census::Member;
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

/// Number of attempts at a comparison during which the memory under test does not change.
const ATTEMPTS: usize = 5;

/// Prints the lines of all sets, or of the set named `name`.
pub fn print(name: Option<&str>) -> Result<ExitCode> {
    for line in survey(|set| name.is_none_or(|name| name.as_bytes() == set))? {
        std::io::stdout().write_all(&line.print())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the lines of the sets for whose names `wanted` returns true, ordered by their lowest pid.
pub fn survey(wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, members) in census::sets(wanted)? {
        lines.extend(measure(&name, &members)?);
    }
    lines.sort_by_key(|line| line.pids[0]);
    Ok(lines)
}

/// Returns the line of a set, or nothing if one of its processes exits during the measurement.
fn measure(name: &[u8], members: &[Member]) -> Result<Option<Line>> {
    let (mut total, mut valid) = (0, 0);
    let mut contents: HashMap<Box<Page>, u64> = HashMap::new();
    for member in census::distinct_address_spaces(members)? {
        let sizes = address_space::scan(&member.task, |page| match contents.get_mut(page) {
            Some(count) => *count += 1,
            None => {
                contents.insert(Box::new(*page), 1);
            }
        });
        match sizes {
            Ok(sizes) => {
                total += sizes.total;
                valid += sizes.valid;
            }
            Err(_) if !member.task.exists() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let groups = || contents.values().filter(|&&count| count >= 2);
    Ok(Some(Line {
        name: escape(name),
        total,
        valid,
        may_be_shared: groups().sum(),
        nb_group: groups().count() as u64,
        pids: members.iter().map(|member| member.pid).collect(),
    }))
}

/// Gives the command RESET and requires that the answer to `FILTER|<name>` is the line of the oracle for each of `names`.
/// Returns the lines.
pub fn agree_on(names: &[&str]) -> Result<Vec<Line>> {
    agree(
        |name| names.iter().any(|wanted| wanted.as_bytes() == name),
        |expected| {
            check_text("sets that the oracle finds", print_names(expected), {
                let mut wanted: Vec<&str> = names.to_vec();
                wanted.sort_unstable();
                wanted.join(" ")
            })?;
            for line in expected {
                check_text(
                    "FILTER and the oracle disagree",
                    memory_info::filter(&line.name)?,
                    line.print(),
                )?;
            }
            Ok(())
        },
    )
}

/// Gives the command RESET and requires that the answer to ALL is what the oracle finds about every process of the
/// machine, except for the processes of this program, which run during the comparison. Returns the lines.
pub fn agree_on_everything() -> Result<Vec<Line>> {
    let own = std::fs::read("/proc/self/comm")?;
    let own = own.trim_ascii_end();
    agree(
        |name| name != own,
        |expected| {
            let mut answered = memory_info::all()?;
            answered.retain(|line| line.name != own);
            for (line, other) in expected.iter().zip(&answered) {
                check_text("ALL and the oracle disagree", other.print(), line.print())?;
            }
            check_eq("number of sets in ALL", answered.len(), expected.len())
        },
    )
}

fn agree(
    wanted: impl Fn(&[u8]) -> bool,
    compare: impl Fn(&[Line]) -> Result<()>,
) -> Result<Vec<Line>> {
    for _ in 0..ATTEMPTS {
        let before = survey(&wanted)?;
        memory_info::reset()?;
        let compared = compare(&before);
        // The comparison counts only if the memory is the same before and after the RESET.
        if survey(&wanted)? == before {
            return compared.map(|()| before);
        }
    }
    bail!("the memory under test changed in each of {ATTEMPTS} attempts")
}

fn print_names(lines: &[Line]) -> String {
    let mut names: Vec<String> = lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line.name).into_owned())
        .collect();
    names.sort_unstable();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::survey;
    use guest::listing;

    #[test]
    fn this_process_is_surveyed() {
        let comm = std::fs::read("/proc/self/comm").unwrap();
        let lines = survey(|name| name == comm.trim_ascii_end()).unwrap();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].pids.contains(&(std::process::id() as i32)));
        for line in listing::parse(&lines[0].print()).unwrap() {
            line.check().unwrap();
        }
    }
}
