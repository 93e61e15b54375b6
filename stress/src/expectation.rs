// SPDX-License-Identifier: GPL-2.0-only

//! What one shell must see, by what it did: the answers to its commands, as exactly as concurrency
//! allows.
//!
//! Scans by anybody follow each other, so what a shell sees of its own processes never goes back: a
//! change that was seen once stays seen. A change is one event (a process appears under a name, leaves
//! it, or ends), so that a scan in the middle of it finds what was before or what is after. The next one
//! comes only when this one was seen, or the shell's own RESET made it certain.

use crate::line::{self, Counts, Line};
use std::collections::HashSet;

pub const SUCCESS: &[u8] = b"[SUCCESS]\n";
pub const NO_PROCESS: &[u8] = b"[ERROR]: No such process\n";
pub const INVALID: &[u8] = b"[ERROR]: Invalid argument\n";

/// For each of the shell's names, the pids of its processes, ascending.
pub type Pids = Vec<Vec<i32>>;

/// What an answer should have been.
pub type Verdict = Result<(), String>;

struct Own {
    printed: Vec<u8>,
    /// This shell deleted it, and no later scan was seen.
    deleted: bool,
    /// As first seen after the processes came to rest.
    counts: Option<Counts>,
}

/// A shell's knowledge.
pub struct Expectation {
    own: Vec<Own>,
    /// Before the latest change, while a scan of then may still be what is shown.
    old: Option<Pids>,
    now: Pids,
    /// What is shown was scanned after the latest change was complete.
    settled: bool,
}

impl Expectation {
    /// Of a shell that owns these names, and no process yet.
    pub fn new(names: &[Vec<u8>]) -> Self {
        let own = names.iter().map(|name| Own {
            printed: line::escape(name),
            deleted: false,
            counts: None,
        });
        Self {
            own: own.collect(),
            old: None,
            now: vec![Vec::new(); names.len()],
            settled: false,
        }
    }

    /// True if the latest change is known to be visible: time for another one.
    pub fn is_certain(&self) -> bool {
        self.old.is_none()
    }

    /// The shell's processes changed.
    pub fn change(&mut self, pids: Pids) {
        self.old = Some(std::mem::replace(&mut self.now, pids));
        self.settled = false;
        self.own.iter_mut().for_each(|own| own.counts = None);
    }

    /// The shell gave a DEL, which may have been done.
    pub fn may_be_deleted(&mut self, name: usize) {
        self.own[name].deleted = true;
    }

    /// The answer to the shell's own RESET: from then on all is known.
    pub fn reset(&mut self, text: &[u8]) -> Verdict {
        fixed(text, SUCCESS)?;
        self.old = None;
        self.settled = true;
        self.own.iter_mut().for_each(|own| own.deleted = false);
        Ok(())
    }

    /// The answer to `DEL|<name>`.
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

    /// The answer to `FILTER|<name>`.
    pub fn filter(&mut self, name: usize, text: &[u8]) -> Verdict {
        if text == NO_PROCESS {
            return self.absent(name);
        }
        let lines = line::parse(text).map_err(|why| format!("{} ({why})", self.describe(name)))?;
        match lines.as_slice() {
            [line] if line.name == self.own[name].printed => self.present(name, line),
            _ => Err(self.describe(name)),
        }
    }

    /// The answer to ALL.
    pub fn all(&mut self, text: &[u8]) -> Verdict {
        let lines = line::parse(text)?;
        if !lines.is_sorted_by(|a, b| a.pids[0] < b.pids[0]) {
            return Err("sets in the order of their lowest pids".into());
        }
        let mut names = HashSet::new();
        let mut pids = HashSet::new();
        for line in &lines {
            if !names.insert(&line.name) {
                return Err(format!("{} once only", line.name.escape_ascii()));
            }
            if let Some(pid) = line.pids.iter().find(|pid| !pids.insert(**pid)) {
                return Err(format!("process {pid} in one set only"));
            }
        }
        // Twice: a later name may show that the change is visible, which then holds for all of them.
        for name in (0..self.own.len()).chain(0..self.own.len()) {
            match lines
                .iter()
                .find(|line| line.name == self.own[name].printed)
            {
                Some(line) => self.present(name, line)?,
                None => self.absent(name)?,
            }
        }
        Ok(())
    }

    /// The answer to a FILTER or DEL for a name that nobody bears.
    pub fn unknown(&self, text: &[u8]) -> Verdict {
        fixed(text, NO_PROCESS)
    }

    /// The answer to what is no command.
    pub fn malformed(&self, text: &[u8]) -> Verdict {
        fixed(text, INVALID)
    }

    fn absent(&mut self, name: usize) -> Verdict {
        if !self.may_be_absent(name) {
            return Err(self.describe(name));
        }
        let was_there = self.old.as_ref().is_some_and(|old| !old[name].is_empty());
        if was_there && !self.own[name].deleted {
            self.old = None;
        }
        Ok(())
    }

    fn present(&mut self, name: usize, line: &Line) -> Verdict {
        let old = self.old.as_ref().map(|old| &old[name]);
        let is_now = line.pids == self.now[name];
        if !is_now && old != Some(&line.pids) {
            return Err(self.describe(name));
        }
        if is_now && old.is_some_and(|old| *old != line.pids) {
            self.old = None;
        }
        let own = &mut self.own[name];
        // Only this shell deletes its names, so somebody's scan came after it.
        own.deleted = false;
        if self.settled && *own.counts.get_or_insert(line.counts) != line.counts {
            return Err(self.describe(name));
        }
        Ok(())
    }

    fn may_be_present(&self, name: usize) -> bool {
        let were = self.old.as_ref().is_some_and(|old| !old[name].is_empty());
        were || !self.now[name].is_empty()
    }

    fn may_be_absent(&self, name: usize) -> bool {
        let were_none = self.old.as_ref().is_some_and(|old| old[name].is_empty());
        self.own[name].deleted || were_none || self.now[name].is_empty()
    }

    fn describe(&self, name: usize) -> String {
        let own = &self.own[name];
        let mut text = format!(
            "{} with pids {:?}",
            own.printed.escape_ascii(),
            self.now[name]
        );
        if let Some(old) = &self.old {
            text += &format!(" or still {:?}", old[name]);
        }
        if let Some(counts) = &own.counts {
            text += &format!(" and {counts:?}");
        }
        if own.deleted {
            text += ", or deleted";
        }
        text
    }
}

fn fixed(text: &[u8], wanted: &[u8]) -> Verdict {
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
        let mut mine = of_two_names();
        mine.change(vec![vec![5], vec![6]]);
        mine.reset(SUCCESS).expect("success");
        mine
    }

    #[test]
    fn a_change_is_seen_or_not_until_ones_own_reset() {
        let mut mine = of_two_names();
        mine.change(vec![vec![5], vec![]]);
        assert!(!mine.is_certain());
        assert!(mine.filter(0, NO_PROCESS).is_ok());
        mine.reset(SUCCESS).expect("success");
        assert!(mine.is_certain());
        assert!(mine.filter(0, NO_PROCESS).is_err());
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_ok());
    }

    #[test]
    fn what_was_seen_once_stays() {
        let mut mine = settled();
        mine.change(vec![vec![5, 7], vec![6]]);
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(mine.filter(0, &shown("a", 7, &[5, 7])).is_ok());
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_err());
    }

    #[test]
    fn an_ended_process_is_seen_to_be_gone() {
        let mut mine = settled();
        mine.change(vec![vec![], vec![6]]);
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(mine.filter(0, NO_PROCESS).is_ok());
        assert!(mine.is_certain());
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_err());
    }

    #[test]
    fn a_deleted_set_comes_back_with_somebodys_scan_and_then_stays() {
        let mut mine = settled();
        assert!(mine.del(0, SUCCESS).is_ok());
        assert!(mine.filter(0, NO_PROCESS).is_ok());
        assert!(mine.del(0, NO_PROCESS).is_ok());
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(mine.filter(0, NO_PROCESS).is_err());
    }

    #[test]
    fn only_the_owner_deletes() {
        let mut mine = settled();
        assert!(mine.del(0, NO_PROCESS).is_err());
        assert!(settled().filter(0, NO_PROCESS).is_err());
    }

    #[test]
    fn counts_of_processes_at_rest_are_constant() {
        let mut mine = settled();
        assert!(mine.filter(0, &shown("a", 5, &[5])).is_ok());
        assert!(mine.filter(0, &shown("a", 4, &[5])).is_err());
    }

    #[test]
    fn others_answers_are_refused() {
        let mut mine = settled();
        assert!(mine.filter(0, &shown("c", 5, &[5])).is_err());
        assert!(mine.filter(0, SUCCESS).is_err());
        assert!(mine.filter(0, b"").is_err());
        assert!(mine.reset(NO_PROCESS).is_err());
        assert!(mine.unknown(SUCCESS).is_err());
        assert!(mine.malformed(NO_PROCESS).is_err());
        assert!(mine.malformed(INVALID).is_ok());
        assert!(mine.all(SUCCESS).is_err());
    }

    #[test]
    fn all_is_one_moment_in_order() {
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
    fn both_names_are_of_the_same_moment() {
        let mut mine = settled();
        mine.change(vec![vec![], vec![5, 6]]);
        let a = shown("a", 5, &[5]);
        let moved = shown("b", 5, &[5, 6]);
        assert!(mine.all(&[a, moved].concat()).is_err());
    }
}
