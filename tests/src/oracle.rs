// SPDX-License-Identifier: GPL-2.0-only

//! The independent oracle: what the module must answer, computed in user space from `/proc/<pid>/smaps`,
//! `pagemap` and `mem`. Pages are compared byte by byte, never by a hash, and nothing is remembered
//! about physical pages.

mod address_space;
mod census;

use crate::case::check_text;
use crate::proc_file;
use crate::report::{self, Line};
use address_space::Page;
use anyhow::{bail, Result};
use census::Member;
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

/// How often the memory under test may change during a comparison before that counts as a failure.
const ATTEMPTS: usize = 5;

/// Prints the lines of all sets, or of the set named `name`.
pub fn print(name: Option<&str>) -> Result<ExitCode> {
    for line in survey(|set| name.is_none_or(|name| name.as_bytes() == set))? {
        std::io::stdout().write_all(&line.print())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of the sets whose names are wanted, ordered by their lowest pid.
pub fn survey(wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, members) in census::sets(wanted)? {
        lines.extend(measure(&name, &members)?);
    }
    lines.sort_by_key(|line| line.pids[0]);
    Ok(lines)
}

/// The line of one set; nothing if its processes are gone.
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
        name: report::escape(name),
        total,
        valid,
        invalid: total - valid,
        may_be_shared: groups().sum(),
        nb_group: groups().count() as u64,
        pids: members.iter().map(|member| member.pid).collect(),
    }))
}

/// RESETs, and requires that the module's answer to `FILTER|<name>` is the oracle's line to the letter,
/// for each of `names`. Returns the lines.
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
                    proc_file::filter(&line.name)?,
                    line.print(),
                )?;
            }
            Ok(())
        },
    )
}

/// RESETs, and requires that the module's answer to ALL is what the oracle says about every process in
/// the machine but those of this program itself, which run while they are looked at.
pub fn agree_on_everything() -> Result<Vec<Line>> {
    let own = std::fs::read("/proc/self/comm")?;
    let own = own.trim_ascii_end();
    agree(
        |name| name != own,
        |expected| {
            let answered = proc_file::all()?;
            let answered: Vec<&Line> = answered.iter().filter(|line| line.name != own).collect();
            for (line, other) in expected.iter().zip(&answered) {
                check_text("ALL and the oracle disagree", other.print(), line.print())?;
            }
            crate::case::check_eq("number of sets in ALL", answered.len(), expected.len())
        },
    )
}

fn agree(
    wanted: impl Fn(&[u8]) -> bool,
    compare: impl Fn(&[Line]) -> Result<()>,
) -> Result<Vec<Line>> {
    for _ in 0..ATTEMPTS {
        let before = survey(&wanted)?;
        proc_file::reset()?;
        let compared = compare(&before);
        // A comparison says something only if nothing changed around the RESET.
        if survey(&wanted)? == before {
            return compared.map(|()| before);
        }
    }
    bail!("the memory under test did not hold still in {ATTEMPTS} attempts")
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
    use super::*;

    #[test]
    fn this_process_is_surveyed() {
        let comm = std::fs::read("/proc/self/comm").unwrap();
        let lines = survey(|name| name == comm.trim_ascii_end()).unwrap();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].pids.contains(&(std::process::id() as i32)));
        lines[0].check().unwrap();
    }
}
