// SPDX-License-Identifier: GPL-2.0-only

//! Malformed messages of every kind. Any answer is accepted, but there must be one, without a warning in the kernel log, and
//! well-formed requests must continue to work.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::kernel::fault_injection::Faults;
use crate::moddb::netlink::{
    attribute, message, Socket, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST,
};
use crate::moddb::{entry, pair, with_condition, Client, CHANGED, ENTRY, KEY, VALUE};
use crate::module::MODDB;
use anyhow::{Context, Result};
use fastrand::Rng;
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use std::time::{Duration, Instant};

cases! {
    malformed_messages_at_random (120 s) => || fuzz(15),
}

/// Greatest number of bytes that are added to a message. The socket refuses messages of this size.
const MOST_EXTRA_BYTES: usize = 300_000;

/// Sends malformed messages for a longer time, on the debug kernel, which detects more errors.
pub fn on_a_debug_kernel() -> Result<()> {
    Faults::set_up()?;
    fuzz(60)
}

fn fuzz(seconds: u64) -> Result<()> {
    let seed = Rng::new().get_seed();
    run(seed, Duration::from_secs(seconds)).with_context(|| format!("with seed {seed}"))
}

fn run(seed: u64, time: Duration) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let _module = MODDB.load_with("max_entries=2000 max_bytes=4000000")?;
    let mut store = Client::open()?;
    let mut victim = Client::open()?;
    let watcher = Client::open()?;
    watcher.join()?;
    let end = Instant::now() + time;
    let mut sent = 0_u64;
    while Instant::now() < end {
        let bytes = one(&mut rng, victim.family.id);
        // A socket refuses a second list during a list, so it is replaced from time to time.
        if sent % 50 == 49 {
            victim = Client::open()?;
        }
        match victim.socket.send_bytes(&bytes) {
            Ok(()) | Err(Errno::EMSGSIZE | Errno::ENODATA | Errno::ENOBUFS) => {}
            Err(errno) => return Err(errno).context("cannot send a malformed message"),
        }
        sent += 1;
        drain(&victim.socket)?;
        drain(&watcher.socket)?;
        if matches!(sent % 100, 0) {
            // The store must continue to work.
            let key = [b"good ", &sent.to_le_bytes()[..]].concat();
            let value = vec![sent as u8; rng.usize(..70) * 10];
            match errno(store.set(&key, &value)) {
                Ok(()) => {
                    check_eq("the value of a key", errno(store.get(&key)), Ok(value))?;
                    store.del(&key)?;
                }
                Err(Errno::ENOSPC) => store.flush()?,
                Err(errno) => return Err(errno).context("a well-formed request SET failed"),
            }
        }
        if matches!(sent % 1000, 0) {
            store.list()?;
        }
    }
    store.flush()?;
    check_eq("entries after a flush", store.list()?.len(), 0)
}

/// Receives and discards all messages that have arrived.
fn drain(socket: &Socket) -> Result<()> {
    loop {
        match socket.receive_bytes(MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(Errno::ENOBUFS) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(errno).context("cannot receive"),
        }
    }
}

/// Returns a random message, which in most cases is nearly well formed.
fn one(rng: &mut Rng, family: u16) -> Vec<u8> {
    let command = rng.u8(..CHANGED + 2);
    let attributes = match rng.u8(..8) {
        0 => Vec::new(),
        1 => random_attributes(rng, 0),
        2 => {
            let mut bytes = vec![0; rng.usize(..200)];
            rng.fill(&mut bytes);
            bytes
        }
        _ => (0..rng.usize(1..6)).flat_map(|_| near_entry(rng)).collect(),
    };
    let flags = NLM_F_REQUEST
        | [
            0,
            NLM_F_ACK,
            NLM_F_DUMP,
            NLM_F_DUMP | NLM_F_ACK,
            rng.u16(..),
        ][rng.usize(..5)];
    let family = if rng.u8(..50) == 0 {
        rng.u16(..)
    } else {
        family
    };
    let version = if rng.u8(..10) == 0 { rng.u8(..) } else { 1 };
    let mut bytes = message(
        family,
        flags,
        rng.u32(..),
        &[&[command, version, 0, 0], attributes.as_slice()].concat(),
    );
    match rng.u8(..12) {
        0 => bytes.truncate(rng.usize(..bytes.len())),
        1 => {
            let length = rng.usize(..MOST_EXTRA_BYTES);
            bytes.resize(bytes.len() + length, rng.u8(..));
        }
        2 => {
            // The length in the header is wrong.
            let length = rng.u32(..bytes.len() as u32 * 2);
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
        }
        3 => {
            // A second message follows the first.
            let second = message(
                family,
                NLM_F_REQUEST | NLM_F_ACK,
                rng.u32(..),
                &[&[rng.u8(1..8), 1, 0, 0], near_entry(rng).as_slice()].concat(),
            );
            bytes.extend(second);
        }
        4..8 => {
            for _ in 0..rng.usize(1..5) {
                let place = rng.usize(..bytes.len());
                bytes[place] = match rng.u8(..4) {
                    0 => 0,
                    1 => 0xff,
                    2 => bytes[place] ^ (1 << rng.u8(..8)),
                    _ => rng.u8(..),
                };
            }
        }
        _ => {}
    }
    bytes
}

/// Returns a random entry that is well formed or nearly so.
fn near_entry(rng: &mut Rng) -> Vec<u8> {
    let key = vec![rng.u8(b'a'..b'f'); length(rng, 260)];
    let value = vec![rng.u8(..); length(rng, 66_000)];
    match rng.u8(..7) {
        0 => pair(&key, &value),
        1 => with_condition(&key, Some(&value), Some(&key)),
        2 => entry(&[(KEY, &key)]),
        3 => entry(&[(VALUE, &value[..value.len().min(40_000)])]),
        4 => entry(&[
            (rng.u16(..9), &key),
            (rng.u16(..9), &value[..value.len().min(30_000)]),
            (rng.u16(..9), &[]),
        ]),
        5 => attribute(rng.u16(..5) | NLA_F_NESTED, &random_attributes(rng, 1)),
        _ => attribute(ENTRY, &attribute(KEY, &key)),
    }
}

/// Returns a random length, which is short in most cases and sometimes near `most`.
fn length(rng: &mut Rng, most: usize) -> usize {
    match rng.u8(..10) {
        0 => rng.usize(..=most),
        1 => most - rng.usize(..most.min(10)),
        _ => rng.usize(..8),
    }
}

/// Returns random attributes, which may contain attributes.
fn random_attributes(rng: &mut Rng, depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(..5) {
        let kind = rng.u16(..8) | if rng.bool() { NLA_F_NESTED } else { 0 };
        let inner = if depth < 6 && rng.bool() {
            random_attributes(rng, depth + 1)
        } else {
            vec![rng.u8(..); rng.usize(..20)]
        };
        let mut one = attribute(kind, &inner);
        if rng.u8(..8) == 0 {
            let length = rng.u16(..64);
            one[..2].copy_from_slice(&length.to_ne_bytes());
        }
        bytes.extend(one);
    }
    bytes
}
