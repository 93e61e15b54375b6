// SPDX-License-Identifier: GPL-2.0-only

//! Network namespaces: each has its own store, and rules for who may use it.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::kernel::memory::{keeps_nothing, kernel_memory};
use crate::moddb::{Client, Pairs};
use crate::module::MODDB;
use crate::privileges::become_nobody;
use anyhow::{Context, Result};
use guest::child::{self, Outcome};
use nix::errno::Errno;
use nix::sched::{setns, unshare, CloneFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

cases! {
    each_namespace_has_its_own_store,
    a_store_is_freed_with_its_namespace (300 s),
    changes_stay_in_the_namespace,
    everyone_reads_and_root_writes,
    parameters_decide_who_may_read_and_write,
    notifications_need_the_right_to_read,
    root_of_a_user_namespace_writes_in_it,
}

/// Runs `then` with the store of a new network namespace, in a child process.
fn in_new_namespace(then: impl FnOnce(&mut Client) -> Outcome) -> Result<Outcome> {
    child::run(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        then(&mut Client::open_in_child()?)
    })
}

fn each_namespace_has_its_own_store() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"k", b"outside")?;
    let home = File::open("/proc/self/ns/net")?;
    let used = in_new_namespace(|inside| {
        if errno(inside.get(b"k")) != Err(Errno::ENOENT) {
            return Err(Errno::EEXIST);
        }
        errno(inside.set(b"k", b"inside"))?;
        errno(inside.set(b"inside", b""))?;
        // A socket belongs to the namespace in which it was opened.
        setns(&home, CloneFlags::CLONE_NEWNET)?;
        let mut outside = Client::open_in_child()?;
        let found = (errno(inside.get(b"k"))?, errno(outside.get(b"k"))?);
        errno(inside.flush())?;
        match found == (b"inside".to_vec(), b"outside".to_vec()) {
            true => Ok(()),
            false => Err(Errno::EBADMSG),
        }
    })?;
    check_eq("using the store of a new namespace", used, Ok(()))?;
    let kept = Pairs::from([(b"k".to_vec(), b"outside".to_vec())]);
    check_eq("the store outside", store.list()?, kept)
}

fn a_store_is_freed_with_its_namespace() -> Result<()> {
    let _module = MODDB.load()?;
    const STORE: u64 = 2_000_000;
    // 45 stores that were not freed would be far above the tolerance.
    keeps_nothing(|| {
        let before = kernel_memory()?;
        let filled = in_new_namespace(|store| {
            for index in 0..200_u32 {
                errno(store.set(&index.to_le_bytes(), &[1; STORE as usize / 200]))?;
            }
            Ok(())
        })?;
        check_eq("filling a store", filled, Ok(()))?;
        // A kernel worker frees the namespace some time after its last process exits.
        let deadline = Instant::now() + Duration::from_secs(5);
        while kernel_memory()? > before + STORE / 2 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    })
}

fn changes_stay_in_the_namespace() -> Result<()> {
    let _module = MODDB.load()?;
    let listener = Client::open()?;
    listener.join()?;
    listener.socket.set_receive_timeout(300)?;
    let set = in_new_namespace(|store| errno(store.set(b"k", b"inside")))?;
    check_eq("a SET in another namespace", set, Ok(()))?;
    check_eq(
        "notifications in this namespace",
        listener.changes(),
        Err(Errno::EAGAIN),
    )?;
    // A change in this namespace is not announced in the other one either.
    let (mut ready_from, mut ready_to) = child::pipe()?;
    let (mut go_from, mut go_to) = child::pipe()?;
    let other = child::start(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let listener = Client::open_in_child()?;
        listener.join().map_err(|_| Errno::EPROTO)?;
        listener.socket.set_receive_timeout(300)?;
        let _ = ready_to.write_all(&[0]);
        let _ = go_from.read(&mut [0]);
        match listener.changes() {
            Err(Errno::EAGAIN) => Ok(()),
            _ => Err(Errno::EBADMSG),
        }
    })?;
    ready_from.read_exact(&mut [0])?;
    Client::open()?.set(b"k", b"outside")?;
    go_to.write_all(&[0])?;
    super::races::join(vec![other])
}

/// Returns the results of GET, LIST, SET and FLUSH without privileges.
fn as_nobody() -> Result<[Outcome; 4]> {
    let mut outcomes = [Ok(()); 4];
    let asks: [fn(&mut Client) -> Outcome; 4] = [
        |store| errno(store.get(b"k")).map(drop),
        |store| errno(store.list_raw(false)).map(drop),
        |store| errno(store.set(b"k", b"new")),
        |store| errno(store.flush()),
    ];
    for (outcome, ask) in outcomes.iter_mut().zip(asks) {
        *outcome = child::run(|| {
            become_nobody()?;
            ask(&mut Client::open_in_child()?)
        })?;
    }
    Ok(outcomes)
}

/// Result of a request that is not permitted.
const NO: Outcome = Err(Errno::EPERM);
/// Result of a request that is permitted.
const YES: Outcome = Ok(());

fn everyone_reads_and_root_writes() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"k", b"old")?;
    check_eq(
        "the results without privileges",
        as_nobody()?,
        [YES, YES, NO, NO],
    )?;
    check_eq(
        "the value after requests without privileges",
        errno(store.get(b"k")),
        Ok(b"old".to_vec()),
    )
}

fn parameters_decide_who_may_read_and_write() -> Result<()> {
    for (parameters, nobody) in [
        ("read=0 write=0", [YES, YES, YES, YES]),
        ("read=1 write=1", [NO, NO, NO, NO]),
        ("read=2 write=0", [NO, NO, YES, YES]),
        ("write=2", [YES, YES, NO, NO]),
    ] {
        let module = MODDB.load_with(parameters)?;
        let mut store = Client::open()?;
        store.set(b"k", b"old")?;
        check_eq(
            &format!("the results without privileges, with {parameters}"),
            as_nobody()?,
            nobody,
        )?;
        store
            .set(b"k", b"new")
            .with_context(|| format!("root cannot write, with {parameters}"))?;
        module.unload()?;
    }
    Ok(())
}

/// Without the right to read, joining the multicast group is refused, or no notification arrives.
fn notifications_need_the_right_to_read() -> Result<()> {
    for (parameters, expected) in [("", YES), ("read=1 write=1", NO), ("read=2", NO)] {
        let module = MODDB.load_with(parameters)?;
        let (mut ready_from, mut ready_to) = child::pipe()?;
        let listener = child::start(|| {
            become_nobody()?;
            let listener = Client::open_in_child()?;
            listener.socket.set_receive_timeout(1_000)?;
            let joined = listener.join().is_ok();
            let _ = ready_to.write_all(&[0]);
            match (joined, listener.changes(), expected) {
                (true, Ok(_), YES) | (true, Err(Errno::EAGAIN), NO) | (false, _, NO) => Ok(()),
                _ => Err(Errno::EBADMSG),
            }
        })?;
        ready_from.read_exact(&mut [0])?;
        Client::open()?.set(b"k", b"v")?;
        super::races::join(vec![listener]).with_context(|| format!("with '{parameters}'"))?;
        module.unload()?;
    }
    Ok(())
}

/// The creator of a user namespace has all capabilities in the network namespaces that belong to it.
fn root_of_a_user_namespace_writes_in_it() -> Result<()> {
    for (parameters, expected) in [("", YES), ("write=2", NO)] {
        let module = MODDB.load_with(parameters)?;
        let outcome = child::run(|| {
            become_nobody()?;
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
            errno(Client::open_in_child()?.set(b"k", b"v"))
        })?;
        check_eq(
            &format!("in a new network namespace, with '{parameters}'"),
            outcome,
            expected,
        )?;
        // The network namespace of the machine does not belong to the new user namespace.
        let outcome = child::run(|| {
            become_nobody()?;
            unshare(CloneFlags::CLONE_NEWUSER)?;
            errno(Client::open_in_child()?.set(b"k", b"v"))
        })?;
        check_eq(
            &format!("in the network namespace of the machine, with '{parameters}'"),
            outcome,
            NO,
        )?;
        module.unload()?;
    }
    Ok(())
}
