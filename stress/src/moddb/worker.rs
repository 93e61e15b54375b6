// SPDX-License-Identifier: GPL-2.0-only

//! One program of a run on moddb: it uses its own keys, for which every answer is known, and keys that all programs
//! write.

use super::check::{check, Verdict};
use super::own_keys::{OwnKeys, COUNTER};
use super::value;
use crate::failure_reports::ReportSender;
use crate::shared_state::{module_stayed_loaded, Counters, SharedState};
use fastrand::Rng;
use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tools::moddb::{Client, Entry, Failure};

/// Number of keys that all programs write.
const HOT: u8 = 8;
/// Number of keys that are always written by one request.
const BATCH: u8 = 3;
/// Number of counters that all programs increment.
const COUNTERS: u8 = 2;
/// Number of failures that a program reports: one mistake may lead to many.
const MAX_REPORTS: u64 = 2;

/// Parameters of a program.
pub struct Plan {
    /// State that all processes of the run share.
    pub state: SharedState,
    /// Index of the program.
    pub slot: usize,
    /// Number of programs that ran in this slot before.
    pub generation: u32,
    /// Prefix of its own keys; no key of another program begins so.
    pub prefix: String,
    /// Seed of the program's random choices.
    pub seed: u64,
}

struct Worker<'a> {
    plan: &'a Plan,
    counters: &'static Counters,
    reports: &'a ReportSender,
    rng: Rng,
    own_keys: OwnKeys,
    /// Highest sequence number seen of each writer in each hot key.
    seen: HashMap<(u8, u64), u64>,
    /// Highest value seen of each counter.
    counted: [u64; COUNTERS as usize],
}

/// Runs a program until the run stops; returns the exit status.
pub fn run(plan: &Plan, reports: &ReportSender) -> i32 {
    let writer = (plan.slot as u64) << 32 | u64::from(plan.generation);
    let mut worker = Worker {
        plan,
        counters: plan.state.counters(plan.slot),
        reports,
        rng: Rng::with_seed(plan.seed),
        own_keys: OwnKeys::new(format!("{}/", plan.prefix).into_bytes(), writer),
        seen: HashMap::new(),
        counted: [0; COUNTERS as usize],
    };
    let mut client = None;
    let mut epoch = plan.state.epoch();
    while !plan.state.is_stopping() {
        if !module_stayed_loaded(epoch, plan.state.epoch()) {
            worker.forget();
            client = None;
            plan.state.wait_for_module(Duration::from_millis(20));
            epoch = plan.state.epoch();
            continue;
        }
        let verdict = match client.as_mut() {
            Some(client) => worker.step(client),
            None => match Client::connect() {
                Ok(new) => {
                    client = Some(new);
                    continue;
                }
                Err(failure) => Err(format!("cannot connect: {failure}")),
            },
        };
        worker.count(epoch, verdict);
    }
    0
}

impl Worker<'_> {
    /// Forgets what was seen: the module was loaded again, with an empty store.
    fn forget(&mut self) {
        self.own_keys.forget();
        self.seen.clear();
        self.counted = [0; COUNTERS as usize];
    }

    fn count(&mut self, epoch: u64, verdict: Verdict) {
        self.counters.commands.fetch_add(1, SeqCst);
        if !module_stayed_loaded(epoch, self.plan.state.epoch()) {
            self.counters.unloaded.fetch_add(1, SeqCst);
            return;
        }
        self.counters.checked.fetch_add(1, SeqCst);
        let Err(why) = verdict else {
            return;
        };
        if self.counters.mismatches.fetch_add(1, SeqCst) < MAX_REPORTS {
            self.reports.send(&format!(
                "program {} ({}): {why}",
                self.plan.slot, self.plan.prefix
            ));
        }
    }

    fn step(&mut self, client: &mut Client) -> Verdict {
        match self.rng.u16(..1000) {
            0..500 => self.own_keys.step(client, &mut self.rng),
            500..700 => self.read_hot(client),
            700..850 => self.write_hot(client),
            850..880 => self.write_batch(client),
            880..900 => self.read_batch(client),
            900..990 => self.increment(client),
            // Rare: the list has the keys of all programs.
            990..994 => {
                let keys_only = self.rng.bool();
                self.own_keys.list(client, keys_only)
            }
            _ => check("noop", client.noop(), Ok(())).map(drop),
        }
    }

    fn hot_key(number: u8) -> Vec<u8> {
        [b"hot ".as_slice(), &[number]].concat()
    }

    /// Checks that the values of one writer to a key appear in the order in which they were written.
    fn read_hot(&mut self, client: &mut Client) -> Verdict {
        let numbers: Vec<u8> = (0..self.rng.u8(1..4)).map(|_| self.rng.u8(..HOT)).collect();
        let wanted: Vec<_> = numbers
            .iter()
            .map(|number| Entry {
                optional: true,
                ..Entry::key(Self::hot_key(*number))
            })
            .collect();
        let found = check("get of hot keys", client.get(&wanted), Ok(()))?.unwrap_or_default();
        for entry in found {
            let value = entry.value.unwrap_or_default();
            let shown = || entry.key.escape_ascii();
            let number = *entry.key.last().ok_or("the key of an entry is empty")?;
            let origin =
                value::read(&entry.key, &value).map_err(|why| format!("\"{}\": {why}", shown()))?;
            let last = self.seen.entry((number, origin.writer)).or_default();
            if origin.sequence < *last {
                return Err(format!(
                    "\"{}\": {origin:?} appeared after sequence {last} of the same writer",
                    shown()
                ));
            }
            *last = origin.sequence;
        }
        Ok(())
    }

    fn write_hot(&mut self, client: &mut Client) -> Verdict {
        let number = self.rng.u8(..HOT);
        let key = Self::hot_key(number);
        if self.rng.u8(..20) == 0 {
            let key = Entry {
                optional: true,
                ..Entry::key(key)
            };
            return check("del of a hot key", client.del(&[key]), Ok(())).map(drop);
        }
        let origin = self.own_keys.next_origin();
        let value = value::make(&mut self.rng, &key, origin);
        check(
            "set of a hot key",
            client.set(&[Entry::pair(key, value)]),
            Ok(()),
        )?;
        self.seen.insert((number, origin.writer), origin.sequence);
        Ok(())
    }

    /// Returns the keys that are always written by one request.
    fn batch_keys() -> impl Iterator<Item = Vec<u8>> {
        (0..BATCH).map(|number| [b"batch ".as_slice(), &[number]].concat())
    }

    fn write_batch(&mut self, client: &mut Client) -> Verdict {
        let origin = self.own_keys.next_origin();
        let mut entry = |key: Vec<u8>| {
            let value = value::make(&mut self.rng, &key, origin);
            Entry::pair(key, value)
        };
        let entries: Vec<_> = Self::batch_keys().map(&mut entry).collect();
        check("set of the batch", client.set(&entries), Ok(())).map(drop)
    }

    /// Checks that all keys of a batch have values of one request, or that none has a value.
    fn read_batch(&mut self, client: &mut Client) -> Verdict {
        let optional = |key: Vec<u8>| Entry {
            optional: true,
            ..Entry::key(key)
        };
        let wanted: Vec<_> = Self::batch_keys().map(optional).collect();
        let found = check("get of the batch", client.get(&wanted), Ok(()))?.unwrap_or_default();
        let origins = found.iter().map(|entry| {
            let value = entry.value.as_deref().unwrap_or_default();
            value::read(&entry.key, value)
        });
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let same = origins.windows(2).all(|pair| pair[0] == pair[1]);
        match same && [0, wanted.len()].contains(&origins.len()) {
            true => Ok(()),
            false => Err(format!(
                "keys that are written by one request have values of {origins:?}"
            )),
        }
    }

    /// Increments a counter by compare-and-swap, and checks that it never goes back.
    fn increment(&mut self, client: &mut Client) -> Verdict {
        let number = self.rng.u8(..COUNTERS);
        let key = [COUNTER, &[number]].concat();
        let counted = &mut self.counted[usize::from(number)];
        let wanted = Entry {
            optional: true,
            ..Entry::key(key.as_slice())
        };
        let found = check("get of a counter", client.get(&[wanted]), Ok(()))?.unwrap_or_default();
        let old = found.into_iter().next().and_then(|entry| entry.value);
        let value = match &old {
            Some(bytes) => {
                let bytes = bytes.as_slice().try_into();
                u64::from_le_bytes(bytes.map_err(|_| format!("the value of a counter is {old:?}"))?)
            }
            None => 0,
        };
        if value < *counted {
            return Err(format!(
                "counter {number} is {value}, but was {counted} before"
            ));
        }
        *counted = value;
        let mut next = Entry::pair(key, (value + 1).to_le_bytes());
        next.if_absent = old.is_none();
        next.if_value = old;
        match client.set(&[next]) {
            Ok(()) => *counted = value + 1,
            // Another program changed the counter first.
            Err(Failure::Refused {
                errno: libc::ECANCELED | libc::EEXIST,
                ..
            }) => {}
            Err(failure) => {
                return Err(format!(
                    "increment of counter {number} from {value}: {failure}"
                ))
            }
        }
        Ok(())
    }
}
