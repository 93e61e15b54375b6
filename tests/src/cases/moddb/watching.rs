// SPDX-License-Identifier: GPL-2.0-only

//! Notifications of changes.

use crate::case::{cases, check_eq};
use crate::moddb::{entry, pair, with_condition, Change, Client, DEL, KEY, OPTIONAL, SET};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;

cases! {
    changes_are_announced,
    changes_of_a_large_batch_are_announced,
    a_slow_listener_does_not_delay_writers,
}

/// Time in milliseconds after which no more notifications are expected.
const RECEIVE_TIMEOUT: i64 = 300;

/// Returns a client that receives notifications.
fn listener() -> Result<Client> {
    let listener = Client::open()?;
    listener.join()?;
    listener.socket.set_receive_timeout(RECEIVE_TIMEOUT)?;
    Ok(listener)
}

/// Receives all notifications that have arrived.
fn received(listener: &Client) -> Result<Vec<Change>> {
    let mut all = Vec::new();
    loop {
        match listener.changes() {
            Err(Errno::EAGAIN) => return Ok(all),
            changes => all.extend(changes?.into_iter().map(|(change, _, _)| change)),
        }
    }
}

fn changes_are_announced() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"before", b"")?;
    let (one, other) = (listener()?, listener()?);
    store.set(b"k", b"")?;
    store.set(b"k", &[1; 65_535])?;
    store.write(SET, &[pair(b"a", b"1"), pair(b"b", b"22")].concat())?;
    store.del(b"k")?;
    // Requests that change nothing are not announced.
    let _ = store.del(b"k");
    store.write(DEL, &entry(&[(KEY, b"k"), (OPTIONAL, &[])]))?;
    let _ = store.write(SET, &with_condition(b"a", Some(b"x"), Some(b"y")));
    store.get(b"a")?;
    store.list()?;
    store.flush()?;
    let expected = vec![
        Change::Set(b"k".to_vec(), 0),
        Change::Set(b"k".to_vec(), 65_535),
        Change::Set(b"a".to_vec(), 1),
        Change::Set(b"b".to_vec(), 2),
        Change::Del(b"k".to_vec()),
        Change::Flush,
    ];
    check_eq("the notifications", received(&one)?, expected.clone())?;
    check_eq(
        "the notifications of another listener",
        received(&other)?,
        expected,
    )?;
    // A notification identifies the request.
    let sequence = store.socket.send(
        store.family.id,
        crate::moddb::netlink::NLM_F_ACK,
        SET,
        &pair(b"x", b""),
    )?;
    let changes = one.changes()?;
    check_eq("changes", changes.len(), 1)?;
    check_eq("the request's sequence number", changes[0].2, sequence)?;
    ensure!(
        changes[0].1 != 0,
        "the notification lacks the port of the request"
    );
    store
        .socket
        .answer(sequence)
        .map(drop)
        .context("the request SET failed")
}

fn changes_of_a_large_batch_are_announced() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let listener = listener()?;
    listener.socket.set_receive_buffer(4 << 20)?;
    let keys: Vec<Vec<u8>> = (0..1024_u32)
        .map(|index| [&index.to_be_bytes()[..], &[b'k'; 251]].concat())
        .collect();
    let request: Vec<u8> = keys.iter().flat_map(|key| pair(key, b"v")).collect();
    store.write(SET, &request)?;
    let expected: Vec<_> = keys.into_iter().map(|key| Change::Set(key, 1)).collect();
    check_eq(
        "all changes are announced in order",
        received(&listener)? == expected,
        true,
    )
}

fn a_slow_listener_does_not_delay_writers() -> Result<()> {
    const COUNT: u32 = 5_000;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let listener = listener()?;
    listener.socket.set_receive_buffer(4096)?;
    for index in 0..COUNT {
        store.set(&index.to_le_bytes(), b"value")?;
    }
    let mut received_count = 0;
    let mut overruns = 0;
    loop {
        match listener.changes() {
            Ok(changes) => received_count += changes.len(),
            Err(Errno::ENOBUFS) => overruns += 1,
            Err(Errno::EAGAIN) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    ensure!(
        overruns > 0,
        "{received_count} of {COUNT} changes were received without ENOBUFS"
    );
    check_eq("entries", store.list()?.len(), COUNT as usize)?;
    store.set(b"after", b"")?;
    let changes = listener.changes()?;
    check_eq(
        "the notification after an overrun",
        &changes[0].0,
        &Change::Set(b"after".to_vec(), 0),
    )
}
