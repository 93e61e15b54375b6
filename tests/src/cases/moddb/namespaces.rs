// SPDX-License-Identifier: GPL-2.0-only

//! Network namespaces: each has a store of its own, and those who may use it.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::kernel_memory::{keeps_nothing, kernel_memory};
use crate::moddb::{Pairs, Store};
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

/// Uses a store in a namespace that was just made.
fn in_new_namespace(then: impl FnOnce(&mut Store) -> Outcome) -> Result<Outcome> {
    child::run(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        then(&mut Store::open_in_child()?)
    })
}

fn each_namespace_has_its_own_store() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Store::open()?;
    store.set(b"k", b"outside")?;
    let home = File::open("/proc/self/ns/net")?;
    let used = in_new_namespace(|inside| {
        if errno(inside.get(b"k")) != Err(Errno::ENOENT) {
            return Err(Errno::EEXIST);
        }
        errno(inside.set(b"k", b"inside"))?;
        errno(inside.set(b"inside", b""))?;
        // A socket belongs to the namespace that it was made in.
        setns(&home, CloneFlags::CLONE_NEWNET)?;
        let mut outside = Store::open_in_child()?;
        let found = (errno(inside.get(b"k"))?, errno(outside.get(b"k"))?);
        errno(inside.flush())?;
        match found == (b"inside".to_vec(), b"outside".to_vec()) {
            true => Ok(()),
            false => Err(Errno::EBADMSG),
        }
    })?;
    check_eq("a namespace of its own", used, Ok(()))?;
    let kept = Pairs::from([(b"k".to_vec(), b"outside".to_vec())]);
    check_eq("the store outside", store.list()?, kept)
}

fn a_store_is_freed_with_its_namespace() -> Result<()> {
    let _module = MODDB.load()?;
    const STORE: u64 = 2_000_000;
    // 45 stores would be noticed.
    keeps_nothing(|| {
        let before = kernel_memory()?;
        let filled = in_new_namespace(|store| {
            for index in 0..200_u32 {
                errno(store.set(&index.to_le_bytes(), &[1; STORE as usize / 200]))?;
            }
            Ok(())
        })?;
        check_eq("filling a store", filled, Ok(()))?;
        // A worker of the kernel's takes namespaces down, some time later.
        let deadline = Instant::now() + Duration::from_secs(5);
        while kernel_memory()? > before + STORE / 2 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    })
}

fn changes_stay_in_the_namespace() -> Result<()> {
    let _module = MODDB.load()?;
    let listener = Store::open()?;
    listener.join()?;
    listener.socket.patience(300)?;
    let set = in_new_namespace(|store| errno(store.set(b"k", b"inside")))?;
    check_eq("a set elsewhere", set, Ok(()))?;
    check_eq(
        "what is told of it here",
        listener.changes(),
        Err(Errno::EAGAIN),
    )?;
    // And the other way round.
    let (mut ready_from, mut ready_to) = child::pipe()?;
    let (mut go_from, mut go_to) = child::pipe()?;
    let other = child::start(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let listener = Store::open_in_child()?;
        listener.join().map_err(|_| Errno::EPROTO)?;
        listener.socket.patience(300)?;
        let _ = ready_to.write_all(&[0]);
        let _ = go_from.read(&mut [0]);
        match listener.changes() {
            Err(Errno::EAGAIN) => Ok(()),
            _ => Err(Errno::EBADMSG),
        }
    })?;
    ready_from.read_exact(&mut [0])?;
    Store::open()?.set(b"k", b"outside")?;
    go_to.write_all(&[0])?;
    super::races::join(vec![other])
}

/// What reading, listening and writing lead to without privileges.
fn as_nobody() -> Result<[Outcome; 4]> {
    let mut outcomes = [Ok(()); 4];
    let asks: [fn(&mut Store) -> Outcome; 4] = [
        |store| errno(store.get(b"k")).map(drop),
        |store| errno(store.list_raw(false)).map(drop),
        |store| errno(store.set(b"k", b"new")),
        |store| errno(store.flush()),
    ];
    for (outcome, ask) in outcomes.iter_mut().zip(asks) {
        *outcome = child::run(|| {
            become_nobody()?;
            ask(&mut Store::open_in_child()?)
        })?;
    }
    Ok(outcomes)
}

const NO: Outcome = Err(Errno::EPERM);
const YES: Outcome = Ok(());

fn everyone_reads_and_root_writes() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Store::open()?;
    store.set(b"k", b"old")?;
    check_eq("nobody", as_nobody()?, [YES, YES, NO, NO])?;
    check_eq(
        "the value afterwards",
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
        let mut store = Store::open()?;
        store.set(b"k", b"old")?;
        check_eq(&format!("nobody, with {parameters}"), as_nobody()?, nobody)?;
        store
            .set(b"k", b"new")
            .with_context(|| format!("root, with {parameters}"))?;
        module.unload()?;
    }
    Ok(())
}

/// To join the group is refused, or nothing is heard there.
fn notifications_need_the_right_to_read() -> Result<()> {
    for (parameters, expected) in [("", YES), ("read=1 write=1", NO), ("read=2", NO)] {
        let module = MODDB.load_with(parameters)?;
        let (mut ready_from, mut ready_to) = child::pipe()?;
        let listener = child::start(|| {
            become_nobody()?;
            let listener = Store::open_in_child()?;
            listener.socket.patience(1_000)?;
            let joined = listener.join().is_ok();
            let _ = ready_to.write_all(&[0]);
            match (joined, listener.changes(), expected) {
                (true, Ok(_), YES) | (true, Err(Errno::EAGAIN), NO) | (false, _, NO) => Ok(()),
                _ => Err(Errno::EBADMSG),
            }
        })?;
        ready_from.read_exact(&mut [0])?;
        Store::open()?.set(b"k", b"v")?;
        super::races::join(vec![listener]).with_context(|| format!("with '{parameters}'"))?;
        module.unload()?;
    }
    Ok(())
}

/// In a user namespace of one's own with a network namespace of its own, one has all capabilities there.
fn root_of_a_user_namespace_writes_in_it() -> Result<()> {
    for (parameters, expected) in [("", YES), ("write=2", NO)] {
        let module = MODDB.load_with(parameters)?;
        let outcome = child::run(|| {
            become_nobody()?;
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
            errno(Store::open_in_child()?.set(b"k", b"v"))
        })?;
        check_eq(
            &format!("in a new network namespace, with '{parameters}'"),
            outcome,
            expected,
        )?;
        // The machine's own store is not that namespace's.
        let outcome = child::run(|| {
            become_nobody()?;
            unshare(CloneFlags::CLONE_NEWUSER)?;
            errno(Store::open_in_child()?.set(b"k", b"v"))
        })?;
        check_eq(
            &format!("in the machine's, with '{parameters}'"),
            outcome,
            NO,
        )?;
        module.unload()?;
    }
    Ok(())
}
