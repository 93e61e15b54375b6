// SPDX-License-Identifier: GPL-2.0-only

//! Memory that runs out: each allocation of each operation and of the load fails once. Only ENOMEM may come of it, and the
//! store is what it was. In the group of all tests that need fault injection, since these run on a kernel of their own.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::failing_load::fail_each_allocation_of_a_load;
use crate::fault::Faults;
use crate::moddb::{entry, pair, Pairs, Store, DEL, FLUSH, GET, KEY, LIST, NOOP, SET};
use crate::module::MODDB;
use crate::netlink::{ACK, DUMP};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};

cases! {
    each_allocation_of_a_noop (300 s) => || each_allocation(NOOP, 0, &[]),
    each_allocation_of_a_get (300 s) => || each_allocation(GET, 0, &[key(0), key(1)].concat()),
    each_allocation_of_a_set (300 s) => || {
        each_allocation(
            SET,
            ACK,
            &[pair(b"new", b"x"), pair(&[0], &[9; 60_000])].concat(),
        )
    },
    each_allocation_of_a_large_batch (600 s) => || {
        let request: Vec<u8> = (0..32)
            .flat_map(|index| pair(&[b'n', index], &[index; 80]))
            .collect();
        each_allocation(SET, ACK, &request)
    },
    each_allocation_of_a_del (300 s) => || each_allocation(DEL, ACK, &[key(0), key(1)].concat()),
    each_allocation_of_a_list (300 s) => || each_allocation(LIST, DUMP, &[]),
    each_allocation_of_a_flush (300 s) => || each_allocation(FLUSH, ACK, &[]),
    each_allocation_of_a_namespace (300 s),
    each_allocation_of_a_load (900 s),
    at_several_rates (600 s),
    malformed_messages_at_random (600 s) => super::fuzz::on_a_debug_kernel,
}

/// More allocations than an operation has.
const MANY: u32 = 3_000;
const KEYS: u8 = 20;

fn key(index: u8) -> Vec<u8> {
    entry(&[(KEY, &[index])])
}

fn fill(store: &mut Store) -> Result<Pairs> {
    store.flush()?;
    let pairs: Pairs = (0..KEYS)
        .map(|index| (vec![index], vec![index; usize::from(index) * 30]))
        .collect();
    for (key, value) in &pairs {
        store.set(key, value)?;
    }
    Ok(pairs)
}

/// What the store is after an operation that went well.
fn after(command: u8, before: &Pairs, request: &[u8]) -> Result<Pairs> {
    let mut pairs = before.clone();
    for (key, value) in crate::moddb::entries(request)? {
        match command {
            SET => drop(pairs.insert(key, value.context("a set has a value")?)),
            DEL => drop(pairs.remove(&key)),
            _ => {}
        }
    }
    if command == FLUSH {
        pairs.clear();
    }
    Ok(pairs)
}

fn each_allocation(command: u8, flags: u16, request: &[u8]) -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = MODDB.load()?;
    let mut store = Store::open()?;
    store.socket.patience(20_000)?;
    // Some memory is got once for all.
    store.call(command, flags, &[]).ok();
    for n in 1..MANY {
        let before = fill(&mut store)?;
        // In memory that is there: nothing else may want some while allocations fail.
        let (sequence, bytes) = store
            .socket
            .request(store.family.id, flags, command, request);
        let tried = faults.at(n, || store.socket.send_bytes(&bytes))?;
        // The answer may be what could not be allocated: then the socket says so.
        let outcome = tried
            .outcome
            .and_then(|()| errno(store.socket.answer(sequence)).map(drop));
        let what = format!("allocation {n} of operation {command}");
        let expected = after(command, &before, request)?;
        let found = Store::open()?.list()?;
        match outcome {
            Ok(()) => check_eq(&format!("{what}: the store"), found == expected, true)?,
            // A write whose acknowledgement could not be sent was made.
            Err(Errno::ENOBUFS) => {
                check_eq(
                    &format!("{what}: old or new"),
                    found == before || found == expected,
                    true,
                )?;
                store = Store::open()?;
            }
            Err(errno) => {
                check_eq(&what, errno, Errno::ENOMEM)?;
                check_eq(&format!("{what}: the store"), found == before, true)?;
            }
        }
        if tried.short_by > 0 {
            check_eq(&format!("{what}: without a fault"), outcome, Ok(()))?;
            ensure!(n > 1, "{what}: nothing is allocated at all");
            return Ok(());
        }
    }
    bail!("operation {command} still allocates after {MANY} allocations")
}

/// A namespace whose store cannot be made is not made.
fn each_allocation_of_a_namespace() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = MODDB.load()?;
    let home = std::fs::File::open("/proc/self/ns/net")?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let mut failures = 0;
    for n in 1..MANY {
        nix::sched::setns(&home, CloneFlags::CLONE_NEWNET)?;
        let tried = faults.at(n, || unshare(CloneFlags::CLONE_NEWNET))?;
        match tried.outcome {
            Ok(()) => {
                let mut store = Store::open()?;
                store.set(b"k", b"v")?;
                check_eq("the value", errno(store.get(b"k")), Ok(b"v".to_vec()))?;
                if tried.short_by > 0 {
                    ensure!(failures > 0, "no allocation made it fail");
                    nix::sched::setns(&home, CloneFlags::CLONE_NEWNET)?;
                    return Ok(());
                }
            }
            // Other parts of the kernel that have something in each namespace give other numbers.
            Err(_) => failures += 1,
        }
    }
    bail!("a namespace still allocates after {MANY} allocations")
}

fn each_allocation_of_a_load() -> Result<()> {
    fail_each_allocation_of_a_load(MODDB, c"read=3", c"", || {
        let mut store = Store::open()?;
        store.set(b"k", b"v")?;
        check_eq("the value", errno(store.get(b"k")), Ok(b"v".to_vec()))
    })
}

fn at_several_rates() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = MODDB.load()?;
    for every in [1, 7, 50, 500] {
        for _ in 0..6 {
            let mut store = Store::open()?;
            store.socket.patience(20_000)?;
            let before = fill(&mut store)?;
            // Larger requests the kernel takes from vmalloc(), which complains when that fails.
            let request: Vec<u8> = (0..50)
                .flat_map(|index| pair(&[index], &[index; 20]))
                .collect();
            let expected = after(SET, &before, &request)?;
            let (sequence, bytes) = store.socket.request(store.family.id, ACK, SET, &request);
            let set = faults.one_in(every, || store.socket.send_bytes(&bytes))?;
            let outcome = set.and_then(|()| errno(store.socket.answer(sequence)).map(drop));
            let found = Store::open()?.list()?;
            match outcome {
                Ok(()) => check_eq("the store", found == expected, true)?,
                Err(Errno::ENOBUFS) => {
                    check_eq("old or new", found == before || found == expected, true)?
                }
                Err(errno) => {
                    check_eq("the error", errno, Errno::ENOMEM)?;
                    check_eq("the store", found == before, true)?;
                }
            }
        }
    }
    Ok(())
}
