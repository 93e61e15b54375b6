// SPDX-License-Identifier: GPL-2.0-only

//! Keys that nobody else changes: what each operation on them must answer.

use super::value::{self, Origin};
use super::{check, Verdict};
use fastrand::Rng;
use std::collections::BTreeMap;
use tools::moddb::{Client, Entry, Failure};

/// What keys begin with that are counters.
pub const COUNTER: &[u8] = b"count ";
/// Keys that one program has.
const KEYS: usize = 24;
/// In one batch.
const MOST_AT_ONCE: usize = 12;

/// The keys of one program, and what they hold.
pub struct Model {
    prefix: Vec<u8>,
    writer: u64,
    sequence: u64,
    held: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    /// No keys yet; all of them will begin with `prefix`.
    pub fn new(prefix: Vec<u8>, writer: u64) -> Self {
        Self {
            prefix,
            writer,
            sequence: 0,
            held: BTreeMap::new(),
        }
    }

    /// What this writer writes next.
    pub fn next_origin(&mut self) -> Origin {
        self.sequence += 1;
        Origin {
            writer: self.writer,
            sequence: self.sequence,
        }
    }

    /// The store is another one, and empty.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// One operation at random and its answer.
    pub fn step(&mut self, client: &mut Client, rng: &mut Rng) -> Verdict {
        match rng.u8(..100) {
            0..45 => self.get(client, rng),
            45..85 => self.write(client, rng, false),
            _ => self.write(client, rng, true),
        }
    }

    /// The keys of the list that are this program's must be those that it knows.
    pub fn list(&self, client: &mut Client, keys_only: bool) -> Verdict {
        let mut found = BTreeMap::new();
        let mut wrong = None;
        let heard = client.list(keys_only, |entry| -> Result<(), Failure> {
            let value = entry.value.unwrap_or_default();
            // Counters are numbers only.
            let tells = !keys_only && !entry.key.starts_with(COUNTER);
            if let (true, Err(why)) = (tells, value::read(&entry.key, &value)) {
                wrong = Some(format!("\"{}\": {why}", entry.key.escape_ascii()));
            }
            if entry.key.starts_with(&self.prefix) {
                found.insert(entry.key, value);
            }
            Ok(())
        });
        check("list", heard, Ok(()))?;
        if let Some(wrong) = wrong {
            return Err(format!("list: {wrong}"));
        }
        let same = match keys_only {
            true => found.keys().eq(self.held.keys()),
            false => found == self.held,
        };
        match same {
            true => Ok(()),
            false => Err(format!(
                "list: {} of this program's keys, which has {}; missing: {:?}; too many: {:?}",
                found.len(),
                self.held.len(),
                difference(&self.held, &found),
                difference(&found, &self.held),
            )),
        }
    }

    fn key(&self, rng: &mut Rng) -> Vec<u8> {
        let number = rng.usize(..KEYS);
        let mut key = [self.prefix.as_slice(), number.to_string().as_bytes()].concat();
        // Long ones too; and bytes that are no text.
        key.resize(key.len() + number % 5 * 40, 0xff);
        key
    }

    /// Different keys.
    fn keys(&self, rng: &mut Rng) -> Vec<Vec<u8>> {
        let count = if rng.bool() {
            1
        } else {
            rng.usize(1..MOST_AT_ONCE)
        };
        let mut keys: Vec<_> = (0..count).map(|_| self.key(rng)).collect();
        keys.sort();
        keys.dedup();
        rng.shuffle(&mut keys);
        keys
    }

    fn get(&self, client: &mut Client, rng: &mut Rng) -> Verdict {
        let optional = rng.bool();
        let keys = self.keys(rng);
        let wanted: Vec<_> = keys
            .iter()
            .map(|key| Entry {
                optional,
                ..Entry::key(key.as_slice())
            })
            .collect();
        let known =
            |key: &Vec<u8>| Some(Entry::pair(key.as_slice(), self.held.get(key)?.as_slice()));
        let all = keys.iter().all(|key| self.held.contains_key(key));
        let expected = if all || optional {
            Ok(())
        } else {
            Err(libc::ENOENT)
        };
        let Some(found) = check("get", client.get(&wanted), expected)? else {
            return Ok(());
        };
        let right: Vec<_> = keys.iter().filter_map(known).collect();
        match found == right {
            true => Ok(()),
            false => Err(format!(
                "get of {} keys: {} entries came, and {} should; the first that differs: {:?}",
                keys.len(),
                found.len(),
                right.len(),
                found
                    .iter()
                    .zip(&right)
                    .find(|(found, right)| found != right)
                    .map(|(found, right)| {
                        let shown = |entry: &Entry| {
                            let value = entry.value.as_deref().unwrap_or_default();
                            (value.len(), value::read(&entry.key, value))
                        };
                        (entry_name(found), shown(found), shown(right))
                    })
            )),
        }
    }

    /// A set or a del of some keys, some of them under conditions that may not hold.
    fn write(&mut self, client: &mut Client, rng: &mut Rng, deletes: bool) -> Verdict {
        let mut next = self.held.clone();
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for key in self.keys(rng) {
            let mut entry = Entry::key(key.as_slice());
            if !deletes {
                let origin = self.next_origin();
                entry.value = Some(value::make(rng, &key, origin));
            }
            match (rng.u8(..10), self.held.get(&key)) {
                (0..2, Some(old)) => entry.if_value = Some(old.clone()),
                (2, _) => {
                    entry.if_value = Some(b"another".to_vec());
                    errors.push(if self.held.contains_key(&key) {
                        libc::ECANCELED
                    } else {
                        libc::ENOENT
                    });
                }
                (3, held) if !deletes => {
                    entry.if_absent = true;
                    errors.extend(held.map(|_| libc::EEXIST));
                }
                (_, None) if deletes && rng.u8(..4) > 0 => entry.optional = true,
                (_, None) if deletes => errors.push(libc::ENOENT),
                _ => {}
            }
            match entry.value.clone() {
                Some(value) => drop(next.insert(key, value)),
                None => drop(next.remove(&key)),
            }
            entries.push(entry);
        }
        let answer = if deletes {
            client.del(&entries)
        } else {
            client.set(&entries)
        };
        match answer {
            Ok(()) if errors.is_empty() => {
                self.held = next;
                Ok(())
            }
            // Which of several errors is told is not said.
            Err(failure) if failure.errno().is_some_and(|errno| errors.contains(&errno)) => Ok(()),
            answer => Err(format!(
                "a {} of {} keys: one of the errors {errors:?} was right, or success if none; came: {answer:?}",
                if deletes { "del" } else { "set" },
                entries.len()
            )),
        }
    }
}

fn entry_name(entry: &Entry) -> String {
    entry.key.escape_ascii().to_string()
}

fn difference(one: &BTreeMap<Vec<u8>, Vec<u8>>, other: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<String> {
    let missing = one
        .iter()
        .filter(|(key, value)| other.get(*key) != Some(value));
    missing
        .take(2)
        .map(|(key, _)| key.escape_ascii().to_string())
        .collect()
}
