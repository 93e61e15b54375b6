// SPDX-License-Identifier: GPL-2.0-only

//! The answers that one shell must get, as exactly as concurrency allows.
//!
//! RESETs of any shell are ordered, so the snapshots that a shell sees of its own processes never go back: once a
//! change was visible, it stays visible. A change is one event (a process appears under a name, leaves a name, or
//! ends), so a scan during the change finds either the state before it or the state after it. A shell makes the next
//! change only when the last one is certain to be visible: it was seen in an answer, or the shell gave a RESET after
//! it.

use guest::listing::{self, Line};
use std::collections::HashSet;

/// Answer to a RESET or DEL that succeeded.
pub const SUCCESS: &[u8] = guest::memory_info::SUCCESS.as_bytes();
/// Answer to a FILTER or DEL that found no set of the name.
pub const NO_PROCESS: &[u8] = guest::memory_info::NO_PROCESS.as_bytes();
/// Answer to a malformed command.
pub const INVALID: &[u8] = guest::memory_info::INVALID.as_bytes();

/// Pids of the shell's processes in ascending order, for each of its names.
pub type Pids = Vec<Vec<i32>>;

/// Result of a check; the error describes the answer that was expected.
pub type Verdict = Result<(), String>;

struct Name {
    printed: Vec<u8>,
    /// The shell deleted the set, and no later scan was seen.
    deleted: bool,
    /// The first line that was seen after the processes stopped changing.
    first_line: Option<Line>,
}

/// What a shell knows about its processes and the snapshots that it saw.
pub struct Expectation {
    names: Vec<Name>,
    /// Pids before the latest change, as long as a snapshot from that time may still be visible.
    old: Option<Pids>,
    now: Pids,
    /// The visible snapshot was taken after the latest change was complete.
    settled: bool,
}

impl Expectation {
    /// Makes the expectation of a shell that owns these names and does not have processes yet.
    pub fn new(names: &[Vec<u8>]) -> Self {
        let own = names.iter().map(|name| Name {
            printed: listing::escape(name),
            deleted: false,
            first_line: None,
        });
        Self {
            names: own.collect(),
            old: None,
            now: vec![Vec::new(); names.len()],
            settled: false,
        }
    }

    /// Returns true if the latest change is certain to be visible, so that another one may be made.
    pub fn is_certain(&self) -> bool {
        self.old.is_none()
    }

    /// Notes a change of the shell's processes; `pids` is the new state.
    pub fn change(&mut self, pids: Pids) {
        self.old = Some(std::mem::replace(&mut self.now, pids));
        self.settled = false;
        self.names.iter_mut().for_each(|own| own.first_line = None);
    }

    /// Notes a DEL that may have been executed or not.
    pub fn may_be_deleted(&mut self, name: usize) {
        self.names[name].deleted = true;
    }

    /// Checks the answer to the shell's own RESET, after which the visible state is certain.
    pub fn reset(&mut self, text: &[u8]) -> Verdict {
        exactly(text, SUCCESS)?;
        self.old = None;
        self.settled = true;
        self.names.iter_mut().for_each(|own| own.deleted = false);
        Ok(())
    }

    /// Checks the answer to `DEL|<name>`.
    pub fn del(&mut self, name: usize, text: &[u8]) -> Verdict {
        let verdict = match text {
            SUCCESS if self.may_be_present(name) => Ok(()),
            NO_PROCESS if self.may_be_absent(name) => Ok(()),
            _ => Err(format!(
                "{} ({})",
                if self.may_be_present(name) {
                    "[SUCCESS]"
                } else {
                    "[ERROR]: No such process"
                },
                self.describe(name)
            )),
        };
        self.may_be_deleted(name);
        verdict
    }

    /// Checks the answer to `FILTER|<name>`.
    pub fn filter(&mut self, name: usize, text: &[u8]) -> Verdict {
        if text == NO_PROCESS {
            return self.absent(name);
        }
        let lines = listing::parse_checked(text)
            .map_err(|why| format!("{} ({why:#})", self.describe(name)))?;
        match lines.as_slice() {
            [line] if line.name == self.names[name].printed => self.present(name, line),
            _ => Err(self.describe(name)),
        }
    }

    /// Checks the answer to ALL.
    pub fn all(&mut self, text: &[u8]) -> Verdict {
        let lines = listing::parse_checked(text).map_err(|why| format!("{why:#}"))?;
        if !lines.is_sorted_by(|a, b| a.pids[0] < b.pids[0]) {
            return Err("sets in the order of their lowest pids".into());
        }
        let mut names = HashSet::new();
        let mut pids = HashSet::new();
        for line in &lines {
            if !names.insert(&line.name) {
                return Err(format!("one line for {}", line.name.escape_ascii()));
            }
            if let Some(pid) = line.pids.iter().find(|pid| !pids.insert(**pid)) {
                return Err(format!("process {pid} in one set only"));
            }
        }
        // Twice: a later name may show that the change is visible, which then holds for all names.
        for name in (0..self.names.len()).chain(0..self.names.len()) {
            match lines
                .iter()
                .find(|line| line.name == self.names[name].printed)
            {
                Some(line) => self.present(name, line)?,
                None => self.absent(name)?,
            }
        }
        Ok(())
    }

    /// Checks the answer to a FILTER or DEL with a name that no process has.
    pub fn unknown(&self, text: &[u8]) -> Verdict {
        exactly(text, NO_PROCESS)
    }

    /// Checks the answer to a malformed command.
    pub fn malformed(&self, text: &[u8]) -> Verdict {
        exactly(text, INVALID)
    }

    /// Checks that no set of the name may be visible.
    fn absent(&mut self, name: usize) -> Verdict {
        if !self.may_be_absent(name) {
            return Err(self.describe(name));
        }
        let was_present = self.old.as_ref().is_some_and(|old| !old[name].is_empty());
        if was_present && !self.names[name].deleted {
            self.old = None;
        }
        Ok(())
    }

    /// Checks that the line of a set may be visible.
    fn present(&mut self, name: usize, line: &Line) -> Verdict {
        let old = self.old.as_ref().map(|old| &old[name]);
        let is_now = line.pids == self.now[name];
        if !is_now && old != Some(&line.pids) {
            return Err(self.describe(name));
        }
        if is_now && old.is_some_and(|old| *old != line.pids) {
            self.old = None;
        }
        let own = &mut self.names[name];
        // Only this shell deletes sets of its names, so a scan must have followed.
        own.deleted = false;
        if self.settled
            && !own
                .first_line
                .get_or_insert_with(|| line.clone())
                .has_counts_of(line)
        {
            return Err(self.describe(name));
        }
        Ok(())
    }

    fn may_be_present(&self, name: usize) -> bool {
        let was_present = self.old.as_ref().is_some_and(|old| !old[name].is_empty());
        was_present || !self.now[name].is_empty()
    }

    fn may_be_absent(&self, name: usize) -> bool {
        let was_absent = self.old.as_ref().is_some_and(|old| old[name].is_empty());
        self.names[name].deleted || was_absent || self.now[name].is_empty()
    }

    fn describe(&self, name: usize) -> String {
        let own = &self.names[name];
        let mut text = format!(
            "{} with pids {:?}",
            own.printed.escape_ascii(),
            self.now[name]
        );
        if let Some(old) = &self.old {
            text += &format!(" or still {:?}", old[name]);
        }
        if let Some(line) = &own.first_line {
            text += &format!(" and the counts of \"{line:?}\"");
        }
        if own.deleted {
            text += ", or deleted";
        }
        text
    }
}

fn exactly(text: &[u8], wanted: &[u8]) -> Verdict {
    if text == wanted {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(wanted.trim_ascii_end()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Expectation, INVALID, NO_PROCESS, SUCCESS};

    fn shown(name: &str, valid: u64, pids: &[i32]) -> Vec<u8> {
        let list: Vec<String> = pids.iter().map(i32::to_string).collect();
        format!(
            "{name}, total: 9, valid: {valid}, invalid: {}, may_be_shared: 0, nb_group: 0, pid({}): {}\n",
            9 - valid,
            pids.len(),
            list.join("; ")
        )
        .into_bytes()
    }

    fn of_two_names() -> Expectation {
        Expectation::new(&[b"a".to_vec(), b"b".to_vec()])
    }

    fn settled() -> Expectation {
        let mut expected = of_two_names();
        expected.change(vec![vec![5], vec![6]]);
        expected.reset(SUCCESS).expect("success");
        expected
    }

    #[test]
    fn a_change_may_be_visible_until_the_shells_own_reset() {
        let mut expected = of_two_names();
        expected.change(vec![vec![5], vec![]]);
        assert!(!expected.is_certain());
        assert!(expected.filter(0, NO_PROCESS).is_ok());
        expected.reset(SUCCESS).expect("success");
        assert!(expected.is_certain());
        assert!(expected.filter(0, NO_PROCESS).is_err());
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_ok());
    }

    #[test]
    fn a_visible_change_stays_visible() {
        let mut expected = settled();
        expected.change(vec![vec![5, 7], vec![6]]);
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(expected.filter(0, &shown("a", 7, &[5, 7])).is_ok());
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_err());
    }

    #[test]
    fn the_end_of_a_process_becomes_visible() {
        let mut expected = settled();
        expected.change(vec![vec![], vec![6]]);
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(expected.filter(0, NO_PROCESS).is_ok());
        assert!(expected.is_certain());
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_err());
    }

    #[test]
    fn a_deleted_set_returns_with_another_shells_scan_and_stays() {
        let mut expected = settled();
        assert!(expected.del(0, SUCCESS).is_ok());
        assert!(expected.filter(0, NO_PROCESS).is_ok());
        assert!(expected.del(0, NO_PROCESS).is_ok());
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(expected.filter(0, NO_PROCESS).is_err());
    }

    #[test]
    fn only_the_owner_deletes() {
        let mut expected = settled();
        assert!(expected.del(0, NO_PROCESS).is_err());
        assert!(settled().filter(0, NO_PROCESS).is_err());
    }

    #[test]
    fn counts_of_stopped_processes_are_constant() {
        let mut expected = settled();
        assert!(expected.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(expected.filter(0, &shown("a", 4, &[5])).is_err());
    }

    #[test]
    fn answers_to_other_shells_are_refused() {
        let mut expected = settled();
        assert!(expected.filter(0, &shown("c", 5, &[5])).is_err());
        assert!(expected.filter(0, SUCCESS).is_err());
        assert!(expected.filter(0, b"").is_err());
        assert!(expected.reset(NO_PROCESS).is_err());
        assert!(expected.unknown(SUCCESS).is_err());
        assert!(expected.malformed(NO_PROCESS).is_err());
        assert!(expected.malformed(INVALID).is_ok());
        assert!(expected.all(SUCCESS).is_err());
    }

    #[test]
    fn all_is_one_snapshot_in_order() {
        let a = shown("a", 5, &[5]);
        let b = shown("b", 5, &[6]);
        assert!(settled().all(&[a.clone(), b.clone()].concat()).is_ok());
        assert!(settled().all(&[b.clone(), a.clone()].concat()).is_err());
        assert!(settled().all(&a).is_err());
        assert!(settled()
            .all(&[a.clone(), a.clone(), b.clone()].concat())
            .is_err());
        assert!(settled()
            .all(&[a, b, shown("c", 5, &[6])].concat())
            .is_err());
    }

    #[test]
    fn both_names_are_of_the_same_snapshot() {
        let mut expected = settled();
        expected.change(vec![vec![], vec![5, 6]]);
        let a = shown("a", 5, &[5]);
        let moved = shown("b", 5, &[5, 6]);
        assert!(expected.all(&[a, moved].concat()).is_err());
    }
}
