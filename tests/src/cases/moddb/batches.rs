// SPDX-License-Identifier: GPL-2.0-only

//! Batches: requests with several keys, which change all of these keys or none.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::moddb::{
    entry, pair, with_condition, Client, Pairs, BATCH_MAX, DEL, IF_ABSENT, KEY, REPLY_MAX, SET,
};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;

cases! {
    a_batch_is_set_and_deleted,
    a_batch_fails_as_a_whole,
    too_many_entries,
    a_key_twice_in_a_batch,
    an_answer_that_is_too_long,
}

fn key_of(index: usize) -> Vec<u8> {
    format!("key {index}").into_bytes()
}

fn keys(indices: impl Iterator<Item = usize>) -> Vec<u8> {
    indices
        .flat_map(|index| entry(&[(KEY, &key_of(index))]))
        .collect()
}

fn a_batch_is_set_and_deleted() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut model = Pairs::new();
    for (round, count) in [1, 2, 64, BATCH_MAX].into_iter().enumerate() {
        let mut request = Vec::new();
        for index in 0..count {
            let value = vec![round as u8; index % 7];
            request.extend(pair(&key_of(index), &value));
            model.insert(key_of(index), value);
        }
        store.write(SET, &request)?;
        check_eq("the store", store.list()?, model.clone())?;
        let found: Pairs = store
            .get_all(&keys(0..count))?
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect();
        check_eq("the answer to GET", found, model.clone())?;
    }
    store.write(DEL, &keys((0..BATCH_MAX).step_by(2)))?;
    let left = model
        .into_iter()
        .filter(|(key, _)| key.last().is_some_and(|last| last % 2 == 1));
    check_eq("the keys that remain", store.list()?, left.collect())
}

/// An entry that is wrong prevents the whole batch from being applied, at every place in the batch.
fn a_batch_fails_as_a_whole() -> Result<()> {
    const COUNT: usize = 50;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let old: Pairs = (0..COUNT)
        .step_by(2)
        .map(|index| (key_of(index), vec![1]))
        .collect();
    for (key, value) in &old {
        store.set(key, value)?;
    }
    let absent = key_of(1001);
    let bad: [(u8, Vec<u8>, Errno); 7] = [
        (
            SET,
            with_condition(b"nobody", Some(b"x"), Some(b"y")),
            Errno::ENOENT,
        ),
        (
            SET,
            with_condition(&key_of(COUNT), Some(b"x"), Some(b"y")),
            Errno::ENOENT,
        ),
        (SET, entry(&[(KEY, b"no value")]), Errno::EINVAL),
        (SET, pair(&[b'x'; 256], b""), Errno::E2BIG),
        (SET, pair(b"x", &[0; 65_536]), Errno::E2BIG),
        (DEL, entry(&[(KEY, &absent)]), Errno::ENOENT),
        (
            DEL,
            entry(&[(KEY, &absent), (IF_ABSENT, &[])]),
            Errno::EINVAL,
        ),
    ];
    for (command, bad, expected) in &bad {
        for place in [0, 1, COUNT / 2, COUNT - 1, COUNT] {
            let mut request = Vec::new();
            for index in 0..=COUNT {
                if index == place {
                    request.extend(bad);
                }
                if index < COUNT {
                    match *command {
                        SET => request.extend(pair(&key_of(index), b"new")),
                        _ if index % 2 == 0 => request.extend(entry(&[(KEY, &key_of(index))])),
                        _ => {}
                    }
                }
            }
            let answer = errno(store.write(*command, &request));
            check_eq(
                &format!("place {place}: the answer"),
                answer,
                Err(*expected),
            )?;
            check_eq(
                &format!("place {place}: the store"),
                store.list()?,
                old.clone(),
            )?;
        }
    }
    // The same holds for conditions on the values of existing and missing keys.
    for place in [0, COUNT / 2, COUNT - 1] {
        let request: Vec<u8> = (0..COUNT)
            .flat_map(|index| match index == place {
                true if index % 2 == 0 => {
                    with_condition(&key_of(index), Some(b"new"), Some(b"other"))
                }
                true => with_condition(&key_of(index), Some(b"new"), Some(b"")),
                false => pair(&key_of(index), b"new"),
            })
            .collect();
        ensure!(
            store.write(SET, &request).is_err(),
            "a batch with a false condition was applied"
        );
        check_eq("the store", store.list()?, old.clone())?;
    }
    Ok(())
}

fn too_many_entries() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let sets = |count: usize| -> Vec<u8> {
        (0..count)
            .flat_map(|index| pair(&key_of(index), b""))
            .collect()
    };
    for count in [BATCH_MAX + 1, 4 * BATCH_MAX] {
        check_eq(
            "a request SET",
            errno(store.write(SET, &sets(count))),
            Err(Errno::E2BIG),
        )?;
        check_eq(
            "a request GET",
            errno(store.get_all(&keys(0..count))),
            Err(Errno::E2BIG),
        )?;
        check_eq(
            "a request DEL",
            errno(store.write(DEL, &keys(0..count))),
            Err(Errno::E2BIG),
        )?;
    }
    check_eq("the store", store.list()?, Pairs::new())?;
    store
        .write(SET, &sets(BATCH_MAX))
        .context("a batch of the greatest size")?;
    check_eq("entries", store.list()?.len(), BATCH_MAX)
}

fn a_key_twice_in_a_batch() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"a", b"old")?;
    for between in [0, 1, 100] {
        let others = || (0..between).flat_map(|index| pair(&key_of(index), b""));
        let request: Vec<u8> = pair(b"a", b"1")
            .into_iter()
            .chain(others())
            .chain(pair(b"a", b"2"))
            .collect();
        check_eq(
            "a request SET",
            errno(store.write(SET, &request)),
            Err(Errno::EINVAL),
        )?;
    }
    let request = [entry(&[(KEY, b"a")]), entry(&[(KEY, b"a")])].concat();
    check_eq(
        "a request DEL",
        errno(store.write(DEL, &request)),
        Err(Errno::EINVAL),
    )?;
    check_eq(
        "the store",
        store.list()?,
        Pairs::from([(b"a".to_vec(), b"old".to_vec())]),
    )
}

fn an_answer_that_is_too_long() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let count = REPLY_MAX / 65_535 + 1;
    for index in 0..count {
        store.set(&key_of(index), &[index as u8; 65_535])?;
    }
    check_eq(
        "a GET of all keys",
        errno(store.get_all(&keys(0..count)).map(drop)),
        Err(Errno::EMSGSIZE),
    )?;
    let found = store.get_all(&keys(0..count - 2))?;
    for (index, (key, value)) in found.into_iter().enumerate() {
        check_eq("the key", key, key_of(index))?;
        check_eq(
            "the value has the expected contents",
            value == Some(vec![index as u8; 65_535]),
            true,
        )?;
    }
    Ok(())
}
