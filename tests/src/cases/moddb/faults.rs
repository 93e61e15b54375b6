// SPDX-License-Identifier: GPL-2.0-only

//! Exhausted memory: each allocation of each operation and of the load fails once. The only error may be ENOMEM, and the
//! store must be unchanged.
//!
//! All groups of tests that need fault injection have the name `faults`: they run on a debug kernel.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::kernel::fault_injection::load::fail_each_allocation_of_a_load;
use crate::kernel::fault_injection::Faults;
use crate::moddb::netlink::{NLM_F_ACK, NLM_F_DUMP};
use crate::moddb::{entry, pair, Client, Pairs, DEL, FLUSH, GET, KEY, LIST, NOOP, SET};
use crate::module::MODDB;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};

cases! {
    each_allocation_of_a_noop (300 s) => || each_allocation(NOOP, 0, &[]),
    each_allocation_of_a_get (300 s) => || each_allocation(GET, 0, &[key(0), key(1)].concat()),
    each_allocation_of_a_set (300 s) => || {
        each_allocation(
            SET,
            NLM_F_ACK,
            &[pair(b"new", b"x"), pair(&[0], &[9; 60_000])].concat(),
        )
    },
    each_allocation_of_a_large_batch (600 s) => || {
        let request: Vec<u8> = (0..32)
            .flat_map(|index| pair(&[b'n', index], &[index; 80]))
            .collect();
        each_allocation(SET, NLM_F_ACK, &request)
    },
    each_allocation_of_a_del (300 s) => || each_allocation(DEL, NLM_F_ACK, &[key(0), key(1)].concat()),
    each_allocation_of_a_list (300 s) => || each_allocation(LIST, NLM_F_DUMP, &[]),
    each_allocation_of_a_flush (300 s) => || each_allocation(FLUSH, NLM_F_ACK, &[]),
    each_allocation_of_a_namespace (300 s),
    each_allocation_of_a_load (900 s),
    at_several_rates (600 s),
    malformed_messages_at_random (600 s) => super::fuzz::on_a_debug_kernel,
}

/// More allocations than any operation makes.
const MANY: u32 = 3_000;
/// Number of keys in the store.
const KEYS: u8 = 20;

fn key(index: u8) -> Vec<u8> {
    entry(&[(KEY, &[index])])
}

fn fill(store: &mut Client) -> Result<Pairs> {
    store.flush()?;
    let pairs: Pairs = (0..KEYS)
        .map(|index| (vec![index], vec![index; usize::from(index) * 30]))
        .collect();
    for (key, value) in &pairs {
        store.set(key, value)?;
    }
    Ok(pairs)
}

/// Returns the contents of the store after an operation that succeeds.
fn after(command: u8, before: &Pairs, request: &[u8]) -> Result<Pairs> {
    let mut pairs = before.clone();
    for (key, value) in crate::moddb::entries(request)? {
        match command {
            SET => drop(pairs.insert(key, value.context("SET needs a value")?)),
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
    let mut store = Client::open()?;
    store.socket.set_receive_timeout(20_000)?;
    // Some memory is allocated by the first request only.
    store.call(command, flags, &[]).ok();
    for n in 1..MANY {
        let before = fill(&mut store)?;
        // The request is built first: nothing else may allocate while allocations fail.
        let (sequence, bytes) = store
            .socket
            .request(store.family.id, flags, command, request);
        let tried = faults.at(n, || store.socket.send_bytes(&bytes))?;
        // If the answer itself could not be allocated, the socket reports ENOBUFS.
        let outcome = tried
            .outcome
            .and_then(|()| errno(store.socket.answer(sequence)).map(drop));
        let what = format!("allocation {n} of operation {command}");
        let expected = after(command, &before, request)?;
        let found = Client::open()?.list()?;
        match outcome {
            Ok(()) => check_eq(&format!("{what}: the store"), found == expected, true)?,
            // A change may have been made although its acknowledgement could not be sent.
            Err(Errno::ENOBUFS) => {
                check_eq(
                    &format!("{what}: the store is the old or the new one"),
                    found == before || found == expected,
                    true,
                )?;
                store = Client::open()?;
            }
            Err(errno) => {
                check_eq(&what, errno, Errno::ENOMEM)?;
                check_eq(&format!("{what}: the store"), found == before, true)?;
            }
        }
        if tried.short_by > 0 {
            check_eq(
                &format!("{what}: the result without a fault"),
                outcome,
                Ok(()),
            )?;
            ensure!(n > 1, "{what}: the operation does not allocate");
            return Ok(());
        }
    }
    bail!("operation {command} still allocates after {MANY} allocations")
}

/// A network namespace is not created if its store cannot be created.
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
                let mut store = Client::open()?;
                store.set(b"k", b"v")?;
                check_eq("the value", errno(store.get(b"k")), Ok(b"v".to_vec()))?;
                if tried.short_by > 0 {
                    ensure!(failures > 0, "no failed allocation made unshare(2) fail");
                    nix::sched::setns(&home, CloneFlags::CLONE_NEWNET)?;
                    return Ok(());
                }
            }
            // The errors of other parts of the kernel that allocate for each namespace differ.
            Err(_) => failures += 1,
        }
    }
    bail!("unshare(2) still allocates after {MANY} allocations")
}

fn each_allocation_of_a_load() -> Result<()> {
    fail_each_allocation_of_a_load(MODDB, c"read=3", c"", || {
        let mut store = Client::open()?;
        store.set(b"k", b"v")?;
        check_eq("the value", errno(store.get(b"k")), Ok(b"v".to_vec()))
    })
}

fn at_several_rates() -> Result<()> {
    let faults = Faults::set_up()?;
    let _module = MODDB.load()?;
    for every in [1, 7, 50, 500] {
        for _ in 0..6 {
            let mut store = Client::open()?;
            store.socket.set_receive_timeout(20_000)?;
            let before = fill(&mut store)?;
            // For a larger request, the kernel would use vmalloc(), which logs a warning if it fails.
            let request: Vec<u8> = (0..50)
                .flat_map(|index| pair(&[index], &[index; 20]))
                .collect();
            let expected = after(SET, &before, &request)?;
            let (sequence, bytes) = store
                .socket
                .request(store.family.id, NLM_F_ACK, SET, &request);
            let set = faults.one_in(every, || store.socket.send_bytes(&bytes))?;
            let outcome = set.and_then(|()| errno(store.socket.answer(sequence)).map(drop));
            let found = Client::open()?.list()?;
            match outcome {
                Ok(()) => check_eq("the store", found == expected, true)?,
                Err(Errno::ENOBUFS) => check_eq(
                    "the store is the old or the new one",
                    found == before || found == expected,
                    true,
                )?,
                Err(errno) => {
                    check_eq("the error", errno, Errno::ENOMEM)?;
                    check_eq("the store", found == before, true)?;
                }
            }
        }
    }
    Ok(())
}
