// SPDX-License-Identifier: GPL-2.0-only

//! Concurrent processes that use the same keys.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::moddb::{entry, pair, with_condition, Client, IF_ABSENT, KEY, OPTIONAL, SET, VALUE};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use guest::child::{self, Outcome};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

cases! {
    compare_and_set_loses_no_increment (300 s),
    a_key_is_set_by_one_writer_if_absent (180 s),
    values_are_never_torn (180 s),
    conditional_batches_are_atomic (180 s),
    a_get_of_several_keys_is_a_snapshot (180 s),
    a_list_beside_writers_is_complete (300 s),
    flush_beside_writers (180 s),
}

/// Number of concurrent processes.
const PROCESSES: usize = 8;

/// Starts `count` children that run `then` with their index.
pub fn start(count: usize, then: impl Fn(usize) -> Outcome) -> Result<Vec<Pid>, Errno> {
    (0..count)
        .map(|index| child::start(|| then(index)))
        .collect()
}

/// Waits for children, all of which must succeed.
pub fn join(children: Vec<Pid>) -> Result<()> {
    for child in children {
        match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => {}
            WaitStatus::Exited(_, status) => {
                anyhow::bail!("a child failed: {}", Errno::from_raw(status));
            }
            status => anyhow::bail!("a child failed: {status:?}"),
        }
    }
    Ok(())
}

/// Kills children that do not end by themselves. Fails if one has ended.
pub fn end(children: Vec<Pid>) -> Result<()> {
    for child in children {
        kill(child, Signal::SIGKILL)?;
        match waitpid(child, None)? {
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => {}
            WaitStatus::Exited(_, status) => {
                anyhow::bail!("a child ended by itself: {}", Errno::from_raw(status));
            }
            status => anyhow::bail!("a child ended by itself: {status:?}"),
        }
    }
    Ok(())
}

/// Parses the value of a counter.
fn number(value: &[u8]) -> Result<u32, Errno> {
    let bytes = value.try_into().map_err(|_| Errno::EBADMSG)?;
    Ok(u32::from_le_bytes(bytes))
}

fn compare_and_set_loses_no_increment() -> Result<()> {
    const EACH: u32 = 300;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"counter", &0_u32.to_le_bytes())?;
    join(start(PROCESSES, |_| {
        let mut store = Client::open_in_child()?;
        for _ in 0..EACH {
            loop {
                let old = errno(store.get(b"counter"))?;
                let new = (number(&old)? + 1).to_le_bytes();
                match errno(store.write(SET, &with_condition(b"counter", Some(&new), Some(&old)))) {
                    Ok(()) => break,
                    Err(Errno::ECANCELED) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    })?)?;
    let counted = number(&store.get(b"counter")?)?;
    check_eq(
        "the counter after all increments",
        counted,
        EACH * PROCESSES as u32,
    )
}

fn a_key_is_set_by_one_writer_if_absent() -> Result<()> {
    const ROUNDS: u32 = 300;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    join(start(PROCESSES, |index| {
        let mut store = Client::open_in_child()?;
        let mut won = 0_u32;
        for round in 0..ROUNDS {
            let request = entry(&[
                (KEY, &round.to_le_bytes()),
                (VALUE, &[index as u8]),
                (IF_ABSENT, &[]),
            ]);
            match errno(store.write(SET, &request)) {
                Ok(()) => won += 1,
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        errno(store.set(&[b'w', index as u8], &won.to_le_bytes()))
    })?)?;
    let mut won = 0;
    for index in 0..PROCESSES {
        won += number(&store.get(&[b'w', index as u8])?)?;
    }
    check_eq("keys that a writer set as the first", won, ROUNDS)
}

/// Returns a value of random size from which [`check_whole`] can detect that it is torn.
fn whole(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut value = vec![0; 8 + rng.usize(..9_000)];
    rng.fill(&mut value);
    value[..8].copy_from_slice(&seed.to_le_bytes());
    value
}

/// Fails with `EBADMSG` unless `value` is as [`whole`] made it.
fn check_whole(value: &[u8]) -> Result<(), Errno> {
    let seed = value.first_chunk().ok_or(Errno::EBADMSG)?;
    match whole(u64::from_le_bytes(*seed)) == value {
        true => Ok(()),
        false => Err(Errno::EBADMSG),
    }
}

fn values_are_never_torn() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"hot", &whole(0))?;
    let writers = start(3, |index| {
        let mut store = Client::open_in_child()?;
        let mut rng = Rng::with_seed(index as u64);
        loop {
            errno(store.set(b"hot", &whole(rng.u64(..))))?;
            if index == 0 {
                // Then some readers do not find the key.
                errno(store.write(crate::moddb::DEL, &entry(&[(KEY, b"hot"), (OPTIONAL, &[])])))?;
            }
        }
    })?;
    let deadline = Instant::now() + Duration::from_secs(8);
    join(start(3, |_| {
        let mut store = Client::open_in_child()?;
        while Instant::now() < deadline {
            match errno(store.get(b"hot")) {
                Ok(value) => check_whole(&value)?,
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    })?)?;
    end(writers)
}

/// Conditional batches move amounts between accounts; the sum must not change.
fn conditional_batches_are_atomic() -> Result<()> {
    const ACCOUNTS: u8 = 6;
    const EACH: u32 = 1_000;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    for account in 0..ACCOUNTS {
        store.set(&[account], &EACH.to_le_bytes())?;
    }
    join(start(PROCESSES, |index| {
        let mut store = Client::open_in_child()?;
        let mut rng = Rng::with_seed(index as u64);
        let mut done = 0;
        while done < 150 {
            let (from, to) = (rng.u8(..ACCOUNTS), rng.u8(..ACCOUNTS));
            if from == to {
                continue;
            }
            let (old_from, old_to) = (errno(store.get(&[from]))?, errno(store.get(&[to]))?);
            let amount = rng.u32(..10).min(number(&old_from)?);
            let new_from = (number(&old_from)? - amount).to_le_bytes();
            let new_to = (number(&old_to)? + amount).to_le_bytes();
            let request = [
                with_condition(&[from], Some(&new_from), Some(&old_from)),
                with_condition(&[to], Some(&new_to), Some(&old_to)),
            ];
            match errno(store.write(SET, &request.concat())) {
                Ok(()) => done += 1,
                Err(Errno::ECANCELED) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    })?)?;
    let mut sum = 0;
    for (_, value) in store.list()? {
        sum += number(&value)?;
    }
    check_eq("the sum of all accounts", sum, EACH * u32::from(ACCOUNTS))
}

/// Readers see the changes of a batch together, also if batches overlap or delete keys.
fn a_get_of_several_keys_is_a_snapshot() -> Result<()> {
    const KEYS: u8 = 5;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let all = |value: &[u8]| -> Vec<u8> { (0..KEYS).flat_map(|key| pair(&[key], value)).collect() };
    let keys: Vec<u8> = (0..KEYS)
        .flat_map(|key| entry(&[(KEY, &[key]), (OPTIONAL, &[])]))
        .collect();
    store.write(SET, &all(b"first"))?;
    let writers = start(3, |index| {
        let mut store = Client::open_in_child()?;
        let mut rng = Rng::with_seed(index as u64);
        loop {
            if index == 0 && rng.u8(..10) == 0 {
                errno(store.write(crate::moddb::DEL, &keys))?;
            }
            errno(store.write(SET, &all(&whole(rng.u64(..)))))?;
        }
    })?;
    let deadline = Instant::now() + Duration::from_secs(8);
    let (mut whole_ones, mut none) = (0, 0);
    while Instant::now() < deadline {
        let found = store.get_all(&keys)?;
        let Some((_, first)) = found.first() else {
            none += 1;
            continue;
        };
        let same = found.iter().all(|(_, value)| value == first);
        ensure!(
            same && found.len() == usize::from(KEYS),
            "a GET shows a part of a batch: {} of {KEYS} keys, all with the same value: {same}",
            found.len()
        );
        whole_ones += 1;
    }
    end(writers)?;
    ensure!(whole_ones > 0, "no GET found any key, {none} found none");
    Ok(())
}

/// A list contains every key that exists during the whole list, and no torn value, while other keys are set and deleted.
fn a_list_beside_writers_is_complete() -> Result<()> {
    const STAY: u32 = 3_000;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let stays: BTreeSet<Vec<u8>> = (0..STAY)
        .map(|index| format!("stays {index}").into_bytes())
        .collect();
    for key in &stays {
        store.set(key, &whole(u64::from(key[key.len() - 1])))?;
    }
    let writers = start(3, |index| {
        let mut store = Client::open_in_child()?;
        let mut rng = Rng::with_seed(index as u64);
        loop {
            // The table grows and shrinks repeatedly.
            for round in 0..30_u32 {
                let keys: Vec<_> = (0..100)
                    .map(|key| format!("{index} comes and goes {round} {key}"))
                    .collect();
                let request: Vec<u8> = keys
                    .iter()
                    .flat_map(|key| pair(key.as_bytes(), &whole(rng.u64(..))))
                    .collect();
                errno(store.write(SET, &request))?;
            }
            for round in 0..30_u32 {
                let keys: Vec<_> = (0..100)
                    .map(|key| format!("{index} comes and goes {round} {key}"))
                    .collect();
                let request: Vec<u8> = keys
                    .iter()
                    .flat_map(|key| entry(&[(KEY, key.as_bytes())]))
                    .collect();
                errno(store.write(crate::moddb::DEL, &request))?;
            }
        }
    })?;
    let (mut lists, mut interrupted) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(15);
    while Instant::now() < deadline || lists < 2 {
        let (found, is_consistent) = store.list_raw(false)?;
        lists += 1;
        interrupted += u32::from(!is_consistent);
        let mut keys = BTreeSet::new();
        for (key, value) in found {
            let value = value.context("an entry has no value")?;
            check_whole(&value)
                .with_context(|| format!("the value of \"{}\" is torn", key.escape_ascii()))?;
            keys.insert(key);
        }
        let missing: Vec<_> = stays.difference(&keys).collect();
        ensure!(
            missing.is_empty(),
            "list {lists} lacks {} of {STAY} keys that were not deleted",
            missing.len()
        );
    }
    end(writers)?;
    ensure!(
        interrupted > 0,
        "none of {lists} lists beside writers is marked as interrupted"
    );
    Ok(())
}

fn flush_beside_writers() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let writers = start(4, |index| {
        let mut store = Client::open_in_child()?;
        let mut rng = Rng::with_seed(index as u64);
        loop {
            let key = [index as u8, rng.u8(..), rng.u8(..4)];
            errno(store.set(&key, &whole(rng.u64(..))))?;
            match errno(store.get(&key)) {
                Ok(value) => check_whole(&value)?,
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    })?;
    for _ in 0..200 {
        store.flush()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    end(writers)?;
    store.flush()?;
    check_eq("entries after a flush", store.list()?.len(), 0)
}
