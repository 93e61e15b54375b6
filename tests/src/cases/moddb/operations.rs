// SPDX-License-Identifier: GPL-2.0-only

//! Each operation, compared with a map in the test.

use crate::case::{cases, check_eq};
use crate::moddb::netlink::RequestError;
use crate::moddb::{
    entry, pair, with_condition, Client, Pairs, DEL, IF_ABSENT, IF_VALUE, KEY, OPTIONAL, PART_MAX,
    SET, VALUE, VALUE_MAX,
};
use crate::module::MODDB;
use anyhow::{Context, Result};
use fastrand::Rng;
use nix::errno::Errno;

cases! {
    noop,
    set_get_del,
    keys_of_every_length,
    values_of_every_length (120 s),
    any_bytes,
    values_cut_anywhere,
    a_get_of_several_keys,
    compare_and_set,
    flush,
    thousands_are_listed (180 s),
}

/// Replaces the error of a request by its error number.
pub fn errno<T>(answer: Result<T, RequestError>) -> Result<T, Errno> {
    answer.map_err(|refusal| refusal.errno)
}

fn noop() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    (0..100).try_for_each(|_| store.noop())?;
    check_eq("the store", store.list()?, Pairs::new())
}

fn set_get_del() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    check_eq(
        "a key before it is set",
        errno(store.get(b"key")),
        Err(Errno::ENOENT),
    )?;
    store.set(b"key", b"value")?;
    check_eq(
        "a key after it is set",
        errno(store.get(b"key")),
        Ok(b"value".to_vec()),
    )?;
    store.set(b"key", b"SET with a wrong value as the condition")?;
    check_eq(
        "a key after it is set again",
        errno(store.get(b"key")),
        Ok(b"SET with a wrong value as the condition".to_vec()),
    )?;
    let mut other = Client::open()?;
    check_eq(
        "the key through another socket",
        errno(other.get(b"key")),
        Ok(b"SET with a wrong value as the condition".to_vec()),
    )?;
    other.del(b"key")?;
    check_eq(
        "a deleted key",
        errno(store.get(b"key")),
        Err(Errno::ENOENT),
    )?;
    check_eq(
        "deleting a key twice",
        errno(store.del(b"key")),
        Err(Errno::ENOENT),
    )
}

fn keys_of_every_length() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut model = Pairs::new();
    for length in 1..=255 {
        let key = vec![b'k'; length];
        let value = length.to_string().into_bytes();
        store
            .set(&key, &value)
            .with_context(|| format!("a key of {length} bytes"))?;
        model.insert(key, value);
    }
    check_eq("the store", &store.list()?, &model)?;
    for (key, value) in &model {
        check_eq(
            "the value of a key",
            errno(store.get(key)),
            Ok(value.clone()),
        )?;
    }
    for length in [256, 257, 1000, 65_000] {
        let key = vec![b'k'; length];
        check_eq(
            &format!("SET of a key of {length} bytes"),
            errno(store.set(&key, b"")),
            Err(Errno::E2BIG),
        )?;
        check_eq(
            "GET of a key that is too long",
            errno(store.get(&key)),
            Err(Errno::E2BIG),
        )?;
        check_eq(
            "DEL of a key that is too long",
            errno(store.del(&key)),
            Err(Errno::E2BIG),
        )?;
    }
    check_eq(
        "SET of an empty key",
        errno(store.set(b"", b"")),
        Err(Errno::EINVAL),
    )?;
    check_eq(
        "GET of an empty key",
        errno(store.get(b"")),
        Err(Errno::EINVAL),
    )?;
    check_eq(
        "DEL of an empty key",
        errno(store.del(b"")),
        Err(Errno::EINVAL),
    )?;
    check_eq("the store after requests that fail", store.list()?, model)
}

/// Lengths of values at which errors are likely: the ends of the range, the ends of parts, and lengths near that of the
/// longest attribute.
const LENGTHS: [usize; 24] = [
    0, 1, 2, 3, 4, 5, 100, 255, 256, 4_000, 4_096, 16_384, 32_511, 32_512, 32_513, 32_768, 65_023,
    65_024, 65_025, 65_530, 65_531, 65_532, 65_534, 65_535,
];

fn values_of_every_length() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut rng = Rng::with_seed(1);
    let mut model = Pairs::new();
    for length in LENGTHS {
        let mut value = vec![0; length];
        rng.fill(&mut value);
        let key = format!("of {length}").into_bytes();
        store
            .set(&key, &value)
            .with_context(|| format!("a value of {length} bytes"))?;
        check_eq(
            &format!("the value of {length} bytes is unchanged"),
            errno(store.get(&key)) == Ok(value.clone()),
            true,
        )?;
        model.insert(key, value);
    }
    check_eq(
        "the list has the expected contents",
        store.list()? == model,
        true,
    )?;
    for length in [65_536, 65_537, 70_000, 200_000] {
        let set = errno(store.set(b"too long", &vec![0; length]));
        check_eq(
            &format!("a value of {length} bytes"),
            set,
            Err(Errno::E2BIG),
        )?;
    }
    let part = vec![0; PART_MAX + 1];
    let set = errno(store.write(SET, &entry(&[(KEY, b"too long"), (VALUE, &part)])));
    check_eq("a part that is too long", set, Err(Errno::E2BIG))?;
    // A request with a condition and a new value, both of the greatest size.
    let old = vec![1; VALUE_MAX];
    let new = vec![2; VALUE_MAX];
    store.set(&[b'k'; 255], &old)?;
    store.write(SET, &with_condition(&[b'k'; 255], Some(&new), Some(&old)))?;
    check_eq(
        "a value of the greatest size is set by comparison",
        errno(store.get(&[b'k'; 255])) == Ok(new),
        true,
    )
}

fn any_bytes() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let all: Vec<u8> = (0..=255).collect();
    let mut model = Pairs::new();
    for byte in 0..=255 {
        let value = [&[byte], all.as_slice(), &[byte]].concat();
        store.set(&[byte], &value)?;
        store.set(&[b'k', byte, 0], &value)?;
        model.insert(vec![byte], value.clone());
        model.insert(vec![b'k', byte, 0], value);
    }
    check_eq("the store", store.list()?, model)
}

/// A client may split a value at any place.
fn values_cut_anywhere() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let parts: [&[u8]; 5] = [b"a", b"", b"bcd", b"ef", b"ghijklm"];
    let more: Vec<u8> = parts[1..]
        .iter()
        .flat_map(|part| entry(&[(VALUE, part)]))
        .collect();
    store.write(
        SET,
        &[entry(&[(KEY, b"k"), (VALUE, parts[0])]), more.clone()].concat(),
    )?;
    check_eq(
        "a value in parts",
        errno(store.get(b"k")),
        Ok(b"abcdefghijklm".to_vec()),
    )?;
    store.write(SET, &[entry(&[(KEY, b"k")]), more].concat())?;
    check_eq(
        "a value whose first part is absent",
        errno(store.get(b"k")),
        Ok(b"bcdefghijklm".to_vec()),
    )?;
    let condition = [
        entry(&[(KEY, b"k"), (VALUE, b"new"), (IF_VALUE, b"bcdef")]),
        entry(&[(IF_VALUE, b"ghij"), (VALUE, b"er")]),
        entry(&[(IF_VALUE, b"klm")]),
        pair(b"other", b"x"),
    ];
    store.write(SET, &condition.concat())?;
    check_eq(
        "a value that was set with a condition in parts",
        errno(store.get(b"k")),
        Ok(b"newer".to_vec()),
    )?;
    check_eq(
        "the key after the one in parts",
        errno(store.get(b"other")),
        Ok(b"x".to_vec()),
    )
}

fn a_get_of_several_keys() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    for (key, value) in [(b"a", "1"), (b"b", "22"), (b"c", "")] {
        store.set(key, value.as_bytes())?;
    }
    let key = |key: &'static [u8]| entry(&[(KEY, key)]);
    let optional = |key: &'static [u8]| entry(&[(KEY, key), (OPTIONAL, &[])]);
    let found = |key: &[u8], value: &[u8]| (key.to_vec(), Some(value.to_vec()));
    let (a, b, c) = (found(b"a", b"1"), found(b"b", b"22"), found(b"c", b""));
    let wanted = [key(b"c"), key(b"a"), key(b"b"), key(b"a")].concat();
    check_eq(
        "the entries in the order of the request",
        store.get_all(&wanted)?,
        vec![c.clone(), a.clone(), b, a.clone()],
    )?;
    let wanted = [key(b"c"), key(b"x"), key(b"a")].concat();
    check_eq(
        "a GET with a missing key",
        errno(store.get_all(&wanted)),
        Err(Errno::ENOENT),
    )?;
    let wanted = [optional(b"c"), optional(b"x"), key(b"a")].concat();
    check_eq(
        "a GET with a missing optional key",
        store.get_all(&wanted)?,
        vec![c, a],
    )?;
    check_eq(
        "a GET with nothing but a missing optional key",
        store.get_all(&optional(b"x"))?,
        vec![],
    )
}

fn compare_and_set() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let if_value =
        |value: &'static [u8], new: &'static [u8]| with_condition(b"k", Some(new), Some(value));
    let if_absent = entry(&[(KEY, b"k"), (VALUE, b"first"), (IF_ABSENT, &[])]);
    check_eq(
        "a condition on a missing key",
        errno(store.write(SET, &if_value(b"", b"x"))),
        Err(Errno::ENOENT),
    )?;
    store.write(SET, &if_absent)?;
    check_eq(
        "a second SET if absent",
        errno(store.write(SET, &if_absent)),
        Err(Errno::EEXIST),
    )?;
    for wrong in [&b"firs"[..], b"first ", b"", b"First", &[0; 65_535]] {
        let set = store.write(SET, &with_condition(b"k", Some(b"wrong"), Some(wrong)));
        check_eq(
            "SET with a wrong value as the condition",
            errno(set),
            Err(Errno::ECANCELED),
        )?;
        let del = store.write(DEL, &with_condition(b"k", None, Some(wrong)));
        check_eq(
            "DEL with a wrong value as the condition",
            errno(del),
            Err(Errno::ECANCELED),
        )?;
    }
    store.write(SET, &if_value(b"first", b""))?;
    check_eq(
        "a key that was set to an empty value",
        errno(store.get(b"k")),
        Ok(vec![]),
    )?;
    store.write(SET, &if_value(b"", b"third"))?;
    check_eq(
        "a key whose old value was empty",
        errno(store.get(b"k")),
        Ok(b"third".to_vec()),
    )?;
    store.write(DEL, &with_condition(b"k", None, Some(b"third")))?;
    check_eq("a deleted key", errno(store.get(b"k")), Err(Errno::ENOENT))?;
    let del = store.write(DEL, &with_condition(b"k", None, Some(b"third")));
    check_eq("deleting a missing key", errno(del), Err(Errno::ENOENT))?;
    store
        .write(DEL, &entry(&[(KEY, b"k"), (OPTIONAL, &[])]))
        .context("cannot delete an optional missing key")
}

fn flush() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.flush().context("cannot flush an empty store")?;
    for round in 0..3 {
        for index in 0..1000_u32 {
            store.set(&index.to_le_bytes(), &[round; 100])?;
        }
        store.flush()?;
        check_eq("the store", store.list()?, Pairs::new())?;
        check_eq(
            "a key after a flush",
            errno(store.get(&0_u32.to_le_bytes())),
            Err(Errno::ENOENT),
        )?;
    }
    Ok(())
}

/// A list contains all entries when they do not fit into one message.
fn thousands_are_listed() -> Result<()> {
    const COUNT: u32 = 20_000;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut rng = Rng::with_seed(2);
    let mut model = Pairs::new();
    let mut batch = Vec::new();
    for index in 0..COUNT {
        let length = match rng.u8(..100) {
            0 => rng.usize(..VALUE_MAX / 4),
            1..10 => rng.usize(..2000),
            _ => rng.usize(..100),
        };
        let key = [&index.to_be_bytes()[..], &vec![b'k'; rng.usize(..251)]].concat();
        let value = vec![index as u8; length];
        batch.extend(pair(&key, &value));
        model.insert(key, value);
        if index % 64 == 63 || index == COUNT - 1 {
            store.write(SET, &batch)?;
            batch.clear();
        }
    }
    check_eq(
        "the list has the expected contents",
        store.list()? == model,
        true,
    )?;
    let keys = store.consistent_list(true)?;
    check_eq(
        "a list of keys has values",
        keys.iter().any(|(_, value)| value.is_some()),
        false,
    )?;
    let mut keys: Vec<_> = keys.into_iter().map(|(key, _)| key).collect();
    keys.sort();
    check_eq(
        "the list has the expected keys",
        keys.iter().eq(model.keys()),
        true,
    )
}
