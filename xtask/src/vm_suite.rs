//! The tests that run in the guest, reported as tests of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use crate::guest::{Limits, Mode};
use crate::setup::Guest;
use crate::suites::{Outcome, Summary};

/// What the guest's tests are called by outside of it: this and their name.
pub const PREFIX: &str = "vm::";

/// Runs the tests `names` (all that contain `filter`) in one boot of `guest`.
pub fn run(
    guest: &Guest,
    names: &[String],
    filter: Option<&str>,
    summary: &mut Summary,
) -> Result<()> {
    let (machine, accelerator) = guest.machine()?;
    let limits = Limits {
        total: Duration::from_secs(45 * 60),
        silence: Duration::from_secs(5 * 60),
    }
    .times(guest.patience());
    let mode = Mode::Test(filter.and_then(guest_filter));
    let mut unheard: BTreeSet<&str> = names
        .iter()
        .map(|name| name.trim_start_matches(PREFIX))
        .collect();
    let mut failed = 0;
    let verdict = machine.run(accelerator, &mode, limits, |line| match parse(line) {
        Some((name, outcome)) => {
            unheard.remove(name);
            failed += usize::from(matches!(outcome, Outcome::Failed(_)));
            summary.add(&format!("{PREFIX}{name}"), outcome);
        }
        // The runner's own summary would be taken for ours.
        None if line.ends_with(" skipped") => {}
        None => println!("{line}"),
    });
    for name in unheard {
        let why = "the guest said nothing of it".to_owned();
        summary.add(&format!("{PREFIX}{name}"), Outcome::Failed(why));
    }
    match verdict? {
        0 => {}
        _ if failed > 0 => {}
        status => {
            let why = format!("no test failed, but the test runner ended with status {status}");
            summary.add("vm", Outcome::Failed(why));
        }
    }
    Ok(())
}

/// The part of a filter that the guest's test runner, which knows no prefix, has to look for.
fn guest_filter(filter: &str) -> Option<String> {
    let overlap = (0..=PREFIX.len().min(filter.len()))
        .rev()
        .find(|&length| filter.is_char_boundary(length) && PREFIX.ends_with(&filter[..length]))?;
    let within = PREFIX.contains(filter);
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
    use super::{guest_filter, parse, Outcome};

    #[test]
    fn the_prefix_is_not_the_guests() {
        assert_eq!(guest_filter("vm"), None);
        assert_eq!(guest_filter("vm::"), None);
        assert_eq!(guest_filter("vm::oracle"), Some("oracle".to_owned()));
        assert_eq!(guest_filter("::oracle"), Some("oracle".to_owned()));
        assert_eq!(guest_filter("oracle::vma"), Some("oracle::vma".to_owned()));
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
