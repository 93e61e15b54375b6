// SPDX-License-Identifier: GPL-2.0-only

//! One program of the run: its own keys, on which every answer is known, and keys that all programs write.

use super::model::{Model, COUNTER};
use super::value;
use super::{check, Verdict};
use crate::board::{is_whole, Board, Counters};
use crate::complaints::Complaints;
use fastrand::Rng;
use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tools::moddb::{Client, Entry, Failure};

/// Keys that all programs write.
const HOT: u8 = 8;
/// Keys that are only written together.
const TOGETHER: u8 = 3;
/// Counters that all programs increment.
const COUNTERS: u8 = 2;
/// Complaints that a program sends: one mistake may lead to many.
const MOST_COMPLAINTS: u64 = 2;

/// What a program is made from.
pub struct Plan {
    pub board: Board,
    /// Its place among the programs.
    pub place: usize,
    /// How many held this place before.
    pub generation: u32,
    /// First part of its own keys: nobody else's begin so.
    pub prefix: String,
    pub seed: u64,
}

struct Worker<'a> {
    plan: &'a Plan,
    counters: &'static Counters,
    complaints: &'a Complaints,
    rng: Rng,
    model: Model,
    /// What was last seen of each writer in each hot key.
    seen: HashMap<(u8, u64), u64>,
    counted: [u64; COUNTERS as usize],
}

/// Works until the board says stop; the status to end with.
pub fn run(plan: &Plan, complaints: &Complaints) -> i32 {
    let writer = (plan.place as u64) << 32 | u64::from(plan.generation);
    let mut worker = Worker {
        plan,
        counters: plan.board.counters(plan.place),
        complaints,
        rng: Rng::with_seed(plan.seed),
        model: Model::new(format!("{}/", plan.prefix).into_bytes(), writer),
        seen: HashMap::new(),
        counted: [0; COUNTERS as usize],
    };
    let mut client = None;
    let mut epoch = plan.board.epoch();
    while !plan.board.is_stopping() {
        if !is_whole(epoch, plan.board.epoch()) {
            worker.begin_anew();
            client = None;
            while plan.board.is_absent() && !plan.board.is_stopping() {
                std::thread::sleep(Duration::from_millis(20));
            }
            epoch = plan.board.epoch();
            continue;
        }
        let verdict = match client.as_mut() {
            Some(client) => worker.step(client),
            None => match Client::connect() {
                Ok(new) => {
                    client = Some(new);
                    continue;
                }
                Err(failure) => Err(format!("connecting: {failure}")),
            },
        };
        worker.count(epoch, verdict);
    }
    0
}

impl Worker<'_> {
    /// The store is another one, and empty.
    fn begin_anew(&mut self) {
        self.model.forget();
        self.seen.clear();
        self.counted = [0; COUNTERS as usize];
    }

    fn count(&mut self, epoch: u64, verdict: Verdict) {
        self.counters.commands.fetch_add(1, SeqCst);
        if !is_whole(epoch, self.plan.board.epoch()) {
            self.counters.unloaded.fetch_add(1, SeqCst);
            return;
        }
        self.counters.checked.fetch_add(1, SeqCst);
        let Err(why) = verdict else {
            return;
        };
        if self.counters.mismatches.fetch_add(1, SeqCst) < MOST_COMPLAINTS {
            self.complaints.send(&format!(
                "program {} ({}): {why}",
                self.plan.place, self.plan.prefix
            ));
        }
    }

    fn step(&mut self, client: &mut Client) -> Verdict {
        match self.rng.u16(..1000) {
            0..500 => self.model.step(client, &mut self.rng),
            500..700 => self.read_hot(client),
            700..850 => self.write_hot(client),
            850..880 => self.write_together(client),
            880..900 => self.read_together(client),
            900..990 => self.increment(client),
            // The more programs, the longer a list.
            990..994 => {
                let keys_only = self.rng.bool();
                self.model.list(client, keys_only)
            }
            _ => check("noop", client.noop(), Ok(())).map(drop),
        }
    }

    fn hot_key(number: u8) -> Vec<u8> {
        [b"hot ".as_slice(), &[number]].concat()
    }

    /// What one writer wrote to a key comes in the order in which it was written.
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
            let number = *entry.key.last().ok_or("a hot key has no bytes")?;
            let origin =
                value::read(&entry.key, &value).map_err(|why| format!("\"{}\": {why}", shown()))?;
            let last = self.seen.entry((number, origin.writer)).or_default();
            if origin.sequence < *last {
                return Err(format!(
                    "\"{}\": {origin:?} came after sequence {last} of the same writer",
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
            let gone = Entry {
                optional: true,
                ..Entry::key(key)
            };
            return check("del of a hot key", client.del(&[gone]), Ok(())).map(drop);
        }
        let origin = self.model.next_origin();
        let value = value::make(&mut self.rng, &key, origin);
        check(
            "set of a hot key",
            client.set(&[Entry::pair(key, value)]),
            Ok(()),
        )?;
        self.seen.insert((number, origin.writer), origin.sequence);
        Ok(())
    }

    fn together() -> impl Iterator<Item = Vec<u8>> {
        (0..TOGETHER).map(|number| [b"together ".as_slice(), &[number]].concat())
    }

    fn write_together(&mut self, client: &mut Client) -> Verdict {
        let origin = self.model.next_origin();
        let mut entry = |key: Vec<u8>| {
            let value = value::make(&mut self.rng, &key, origin);
            Entry::pair(key, value)
        };
        let entries: Vec<_> = Self::together().map(&mut entry).collect();
        check("set of keys together", client.set(&entries), Ok(())).map(drop)
    }

    /// All of a batch is seen, or nothing.
    fn read_together(&mut self, client: &mut Client) -> Verdict {
        let optional = |key: Vec<u8>| Entry {
            optional: true,
            ..Entry::key(key)
        };
        let wanted: Vec<_> = Self::together().map(optional).collect();
        let found = check("get of keys together", client.get(&wanted), Ok(()))?.unwrap_or_default();
        let origins = found.iter().map(|entry| {
            let value = entry.value.as_deref().unwrap_or_default();
            value::read(&entry.key, value)
        });
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let same = origins.windows(2).all(|pair| pair[0] == pair[1]);
        match same && [0, wanted.len()].contains(&origins.len()) {
            true => Ok(()),
            false => Err(format!("keys that are written together have {origins:?}")),
        }
    }

    /// A counter only grows: no increment is lost or made twice.
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
                u64::from_le_bytes(bytes.map_err(|_| format!("a counter is {old:?}"))?)
            }
            None => 0,
        };
        if value < *counted {
            return Err(format!("counter {number} is {value} after {counted}"));
        }
        *counted = value;
        let mut next = Entry::pair(key, (value + 1).to_le_bytes());
        next.if_absent = old.is_none();
        next.if_value = old;
        match client.set(&[next]) {
            Ok(()) => *counted = value + 1,
            // Somebody else was faster.
            Err(Failure::Refused {
                errno: libc::ECANCELED | libc::EEXIST,
                ..
            }) => {}
            Err(failure) => return Err(format!("counter {number} from {value}: {failure}")),
        }
        Ok(())
    }
}
