// SPDX-License-Identifier: GPL-2.0-only

//! Suites of tests that run in a guest; each test is reported by its name.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use crate::guest::accelerator::Accelerator;
use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;
use crate::testing::summary::{Outcome, Summary};

/// A suite of tests that run in one boot of a guest.
pub struct VmSuite {
    /// Prefix of the tests' names on the host; their names in the guest follow it.
    pub prefix: &'static str,
    /// The string that the tests' names in the guest contain.
    pub group: &'static str,
    /// The kernel that the tests need; `None` if the requested kernel suffices.
    pub kernel: Option<&'static str>,
    /// The accelerator that the tests need; `None` for the fastest of the host.
    pub accelerator: Option<Accelerator>,
    /// The memory of the guest as QEMU spells it; `None` for that of the kernel.
    pub memory: Option<&'static str>,
}

impl VmSuite {
    /// Returns the names on the host of those tests `in_guest` that belong to this suite.
    pub fn names(&self, in_guest: &[String]) -> Vec<String> {
        in_guest
            .iter()
            .filter(|name| name.contains(self.group))
            .map(|name| format!("{}{name}", self.prefix))
            .collect()
    }

    /// Returns the filters for the guest's test runner that select the tests whose names on the host contain `filter`.
    fn filters(&self, filter: Option<&str>) -> Vec<String> {
        let inner = filter.and_then(|filter| guest_filter(self.prefix, filter));
        let group = Some(self.group.to_owned()).filter(|group| !group.is_empty());
        group.into_iter().chain(inner).collect()
    }
}

/// Runs the tests `names` (all of `suite` that contain `filter`) in one boot of `guest`.
pub fn run(
    guest: &Guest,
    suite: &VmSuite,
    names: &[String],
    filter: Option<&str>,
    summary: &mut Summary,
) -> Result<()> {
    let prefix = suite.prefix;
    let (machine, accelerator) = guest.machine(suite.accelerator)?;
    let limits = Limits {
        total: Duration::from_secs(45 * 60),
        // Longer than the time limit of the guest's test runner.
        silence: Duration::from_secs(16 * 60),
    }
    .times(guest.slowdown());
    let mode = Mode::Test(suite.filters(filter));
    let mut missing: BTreeSet<&str> = names
        .iter()
        .map(|name| name.trim_start_matches(prefix))
        .collect();
    let mut failed = 0;
    let verdict = machine.run(accelerator, &mode, limits, |line| match parse(line) {
        Some((name, outcome)) => {
            missing.remove(name);
            failed += usize::from(matches!(outcome, Outcome::Failed(_)));
            summary.add(&format!("{prefix}{name}"), outcome);
        }
        // The summary of the guest's test runner would look like that of this program.
        None if line.ends_with(" skipped") => {}
        None => println!("{line}"),
    });
    for name in missing {
        let why = "the guest reported no outcome of this test".to_owned();
        summary.add(&format!("{prefix}{name}"), Outcome::Failed(why));
    }
    match verdict? {
        0 => {}
        _ if failed > 0 => {}
        status => {
            let why = format!("no test failed, but the test runner ended with status {status}");
            summary.add(prefix, Outcome::Failed(why));
        }
    }
    Ok(())
}

/// Returns the part of `filter` that the guest's test runner has to match, since its names have no prefix.
fn guest_filter(prefix: &str, filter: &str) -> Option<String> {
    let overlap = (0..=prefix.len().min(filter.len()))
        .rev()
        .find(|&length| filter.is_char_boundary(length) && prefix.ends_with(&filter[..length]))?;
    let within = prefix.contains(filter);
    let rest = &filter[overlap..];
    (!within && !rest.is_empty()).then(|| rest.to_owned())
}

/// Parses a line `test NAME ... OUTCOME`.
fn parse(line: &str) -> Option<(&str, Outcome)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let outcome = match outcome {
        "ok" => Outcome::Ok,
        "FAILED" => Outcome::Failed(String::new()),
        _ => Outcome::Skipped(outcome.strip_prefix("skipped: ")?.to_owned()),
    };
    Some((name, outcome))
}

#[cfg(test)]
mod tests {
    use super::{guest_filter, parse, Outcome, VmSuite};

    #[test]
    fn the_prefix_is_not_the_guests() {
        let inner = |filter| guest_filter("vm::", filter);
        assert_eq!(inner("vm"), None);
        assert_eq!(inner("vm::"), None);
        assert_eq!(inner("vm::oracle"), Some("oracle".to_owned()));
        assert_eq!(inner("::oracle"), Some("oracle".to_owned()));
        assert_eq!(inner("oracle::vma"), Some("oracle::vma".to_owned()));
    }

    #[test]
    fn a_group_is_a_part_of_its_own() {
        let suite = VmSuite {
            prefix: "debug::",
            group: "::faults::",
            kernel: None,
            accelerator: None,
            memory: None,
        };
        let in_guest =
            ["memory_info::faults::reset", "memory_info::errors::reset"].map(str::to_owned);
        assert_eq!(
            suite.names(&in_guest),
            ["debug::memory_info::faults::reset"]
        );
        assert_eq!(suite.filters(None), ["::faults::"]);
        assert_eq!(suite.filters(Some("debug")), ["::faults::"]);
        assert_eq!(suite.filters(Some("reset")), ["::faults::", "reset"]);
    }

    #[test]
    fn outcomes_are_read() {
        assert!(matches!(
            parse("test a::b ... ok"),
            Some(("a::b", Outcome::Ok))
        ));
        assert!(matches!(
            parse("test a ... FAILED"),
            Some(("a", Outcome::Failed(_)))
        ));
        assert!(
            matches!(parse("test a ... skipped: no swap"), Some(("a", Outcome::Skipped(why))) if why == "no swap")
        );
        assert!(parse("test a ... perhaps").is_none());
        assert!(parse("1 passed, 0 failed, 0 skipped").is_none());
    }
}
