// SPDX-License-Identifier: GPL-2.0-only

//! The tests that run in the guest, reported as tests of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use crate::guest::accelerator::Accelerator;
use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;
use crate::testing::summary::{Outcome, Summary};

/// Tests that run in one boot of a guest.
pub struct VmSuite {
    /// What they are called by outside of the guest: this and their name.
    pub prefix: &'static str,
    /// Their names in the guest contain this.
    pub group: &'static str,
    /// The kernel that they need; the one that was asked for, if any does.
    pub kernel: Option<&'static str>,
    /// What they need to run on; the fastest that there is, if that does not matter.
    pub accelerator: Option<Accelerator>,
}

impl VmSuite {
    /// Those of the guest's tests that are of this suite, as they are called outside.
    pub fn names(&self, in_guest: &[String]) -> Vec<String> {
        in_guest
            .iter()
            .filter(|name| name.contains(self.group))
            .map(|name| format!("{}{name}", self.prefix))
            .collect()
    }

    /// What the names in the guest have to contain, given what those outside have to.
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
        // More than the guest's runner leaves to any test.
        silence: Duration::from_secs(16 * 60),
    }
    .times(guest.slowdown());
    let mode = Mode::Test(suite.filters(filter));
    let mut unheard: BTreeSet<&str> = names
        .iter()
        .map(|name| name.trim_start_matches(prefix))
        .collect();
    let mut failed = 0;
    let verdict = machine.run(accelerator, &mode, limits, |line| match parse(line) {
        Some((name, outcome)) => {
            unheard.remove(name);
            failed += usize::from(matches!(outcome, Outcome::Failed(_)));
            summary.add(&format!("{prefix}{name}"), outcome);
        }
        // The runner's own summary would be taken for ours.
        None if line.ends_with(" skipped") => {}
        None => println!("{line}"),
    });
    for name in unheard {
        let why = "the guest said nothing of it".to_owned();
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

/// The part of a filter that the guest's test runner, which knows no prefix, has to look for.
fn guest_filter(prefix: &str, filter: &str) -> Option<String> {
    let overlap = (0..=prefix.len().min(filter.len()))
        .rev()
        .find(|&length| filter.is_char_boundary(length) && prefix.ends_with(&filter[..length]))?;
    let within = prefix.contains(filter);
    let rest = &filter[overlap..];
    (!within && !rest.is_empty()).then(|| rest.to_owned())
}

/// A line `test NAME ... OUTCOME`.
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
