// SPDX-License-Identifier: GPL-2.0-only

//! Keys that no other program changes, so that the answer to each operation on them is known.

use super::check::{check, Verdict};
use super::value::{self, Origin};
use fastrand::Rng;
use std::collections::BTreeMap;
use tools::moddb::{Client, Entry, Failure};

/// Prefix of the keys whose values are counters.
pub const COUNTER: &[u8] = b"count ";
/// Number of keys of one program.
const KEYS: usize = 24;
/// Upper bound of the number of keys in one request.
const BATCH: usize = 12;

/// The keys of one program and their values.
pub struct OwnKeys {
    prefix: Vec<u8>,
    writer: u64,
    sequence: u64,
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl OwnKeys {
    /// Starts without any key in the store. All keys will begin with `prefix`; `writer` is the number of the program.
    pub fn new(prefix: Vec<u8>, writer: u64) -> Self {
        Self {
            prefix,
            writer,
            sequence: 0,
            values: BTreeMap::new(),
        }
    }

    /// Returns the origin of the next value that this program writes.
    pub fn next_origin(&mut self) -> Origin {
        self.sequence += 1;
        Origin {
            writer: self.writer,
            sequence: self.sequence,
        }
    }

    /// Notes that the store is empty: it was flushed, or is a new one.
    pub fn forget(&mut self) {
        self.values.clear();
    }

    /// Does one random operation and checks the answer.
    pub fn step(&mut self, client: &mut Client, rng: &mut Rng) -> Verdict {
        match rng.u8(..100) {
            0..45 => self.get(client, rng),
            45..85 => self.write(client, rng, false),
            _ => self.write(client, rng, true),
        }
    }

    /// Lists the store and checks that the listed keys of this program are exactly those that it set, and that all
    /// values are undamaged.
    pub fn list(&self, client: &mut Client, keys_only: bool) -> Verdict {
        let mut found = BTreeMap::new();
        let mut wrong = None;
        let listed = client.list(keys_only, |entry| -> Result<(), Failure> {
            let value = entry.value.unwrap_or_default();
            // The values of counters have no checksum.
            let has_checksum = !keys_only && !entry.key.starts_with(COUNTER);
            if let (true, Err(why)) = (has_checksum, value::read(&entry.key, &value)) {
                wrong = Some(format!("\"{}\": {why}", entry.key.escape_ascii()));
            }
            if entry.key.starts_with(&self.prefix) {
                found.insert(entry.key, value);
            }
            Ok(())
        });
        check("list", listed, Ok(()))?;
        if let Some(wrong) = wrong {
            return Err(format!("list: {wrong}"));
        }
        let same = match keys_only {
            true => found.keys().eq(self.values.keys()),
            false => found == self.values,
        };
        match same {
            true => Ok(()),
            false => Err(format!(
                "list: {} keys of this program, expected {}; missing: {:?}; unexpected: {:?}",
                found.len(),
                self.values.len(),
                difference(&self.values, &found),
                difference(&found, &self.values),
            )),
        }
    }

    fn key(&self, rng: &mut Rng) -> Vec<u8> {
        let number = rng.usize(..KEYS);
        let mut key = [self.prefix.as_slice(), number.to_string().as_bytes()].concat();
        // Some keys are long, and most are not valid UTF-8.
        key.resize(key.len() + number % 5 * 40, 0xff);
        key
    }

    /// Returns random keys, all different.
    fn keys(&self, rng: &mut Rng) -> Vec<Vec<u8>> {
        let count = if rng.bool() { 1 } else { rng.usize(1..BATCH) };
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
        let known = |key: &Vec<u8>| {
            Some(Entry::pair(
                key.as_slice(),
                self.values.get(key)?.as_slice(),
            ))
        };
        let all = keys.iter().all(|key| self.values.contains_key(key));
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
                "get of {} keys: {} entries, expected {}; the first difference: {:?}",
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

    /// Sets or deletes some keys, some of them under conditions that may not hold, and checks the answer.
    fn write(&mut self, client: &mut Client, rng: &mut Rng, deletes: bool) -> Verdict {
        let mut next = self.values.clone();
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for key in self.keys(rng) {
            let mut entry = Entry::key(key.as_slice());
            if !deletes {
                let origin = self.next_origin();
                entry.value = Some(value::make(rng, &key, origin));
            }
            match (rng.u8(..10), self.values.get(&key)) {
                (0..2, Some(old)) => entry.if_value = Some(old.clone()),
                (2, _) => {
                    entry.if_value = Some(b"another".to_vec());
                    errors.push(if self.values.contains_key(&key) {
                        libc::ECANCELED
                    } else {
                        libc::ENOENT
                    });
                }
                (3, value) if !deletes => {
                    entry.if_absent = true;
                    errors.extend(value.map(|_| libc::EEXIST));
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
                self.values = next;
                Ok(())
            }
            // If several entries fail, any of their errors may be reported.
            Err(failure) if failure.errno().is_some_and(|errno| errors.contains(&errno)) => Ok(()),
            answer => Err(format!(
                "{} of {} keys: expected one of the errors {errors:?}, or success if there are none, but got {answer:?}",
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
