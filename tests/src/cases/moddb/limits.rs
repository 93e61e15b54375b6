// SPDX-License-Identifier: GPL-2.0-only

//! The limits that the parameters set, and the cgroup to which memory is charged.

use super::operations::errno;
use super::races::{join, start};
use crate::case::{cases, check_eq, skip};
use crate::moddb::{entry, pair, Client, Pairs, DEL, KEY, SET};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use guest::child;
use nix::errno::Errno;
use nix::mount::{mount, umount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use std::path::Path;

cases! {
    entries_are_bounded,
    bytes_are_bounded,
    concurrent_writers_do_not_exceed_a_limit (180 s),
    each_namespace_has_its_own_limits,
    bad_parameters_fail_to_load,
    memory_is_charged_to_the_writers_cgroup (180 s),
}

fn entries_are_bounded() -> Result<()> {
    let _module = MODDB.load_with("max_entries=10")?;
    let mut store = Client::open()?;
    for key in 0..10_u8 {
        store.set(&[key], b"old")?;
    }
    let error = store
        .set(&[10], b"")
        .err()
        .context("a key beyond the limit was set")?;
    check_eq("a key beyond the limit", error.errno, Errno::ENOSPC)?;
    ensure!(
        error.message.contains("max_entries") || error.message.contains("entries"),
        "{error}"
    );
    store
        .set(&[3], b"new")
        .context("cannot replace the value of an existing key")?;
    let batch = |keys: std::ops::Range<u8>| -> Vec<u8> {
        keys.flat_map(|key| pair(&[key], b"batch")).collect()
    };
    check_eq(
        "a batch that exceeds the limit",
        errno(store.write(SET, &batch(5..12))),
        Err(Errno::ENOSPC),
    )?;
    check_eq(
        "a key of the batch",
        errno(store.get(&[5])),
        Ok(b"old".to_vec()),
    )?;
    store.del(&[0])?;
    store.del(&[1])?;
    store
        .write(SET, &batch(5..12))
        .context("cannot set a batch after two keys were deleted")?;
    check_eq("entries", store.list()?.len(), 10)?;
    store.flush()?;
    store
        .write(SET, &batch(20..30))
        .context("cannot set a batch after a flush")
}

fn bytes_are_bounded() -> Result<()> {
    let _module = MODDB.load_with("max_bytes=1000")?;
    let mut store = Client::open()?;
    store.set(b"a", &[1; 499])?;
    store.set(b"b", &[2; 499])?;
    for (key, length) in [(&b"c"[..], 0), (b"a", 500), (b"a", 65_535)] {
        let error = store
            .set(key, &vec![3; length])
            .err()
            .context("a value beyond the limit was set")?;
        check_eq("the error", error.errno, Errno::ENOSPC)?;
        ensure!(error.message.contains("bytes"), "{error}");
    }
    store.set(b"a", &[4; 498])?;
    store
        .set(b"c", b"")
        .context("cannot set a key although a value became shorter")?;
    store
        .write(SET, &[pair(b"a", &[5; 1]), pair(b"b", &[5; 990])].concat())
        .context("cannot set a batch in which one value shrinks by what the other grows")?;
    store.del(b"b")?;
    store
        .set(b"d", &[6; 900])
        .context("cannot set a key after another was deleted")?;
    let held: usize = store
        .list()?
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    ensure!(held <= 1000, "the store has {held} bytes");
    Ok(())
}

fn concurrent_writers_do_not_exceed_a_limit() -> Result<()> {
    const LIMIT: usize = 300;
    let _module = MODDB.load_with("max_entries=300")?;
    let mut store = Client::open()?;
    for round in 0..5_u8 {
        join(start(8, |index| {
            let mut store = Client::open_in_child()?;
            let mut own = 0_u32;
            for key in 0..200_u32 {
                match errno(store.set(
                    &[&[round, index as u8][..], &key.to_le_bytes()].concat(),
                    b"v",
                )) {
                    Ok(()) => own += 1,
                    Err(Errno::ENOSPC) => {}
                    Err(errno) => return Err(errno),
                }
                if key % 10 == 9 && own > 0 {
                    let key = [&[round, index as u8][..], &(key - 5).to_le_bytes()].concat();
                    own -= u32::from(errno(store.del(&key)).is_ok());
                }
            }
            Ok(())
        })?)?;
        let held = store.list()?.len();
        ensure!(held <= LIMIT, "the store has {held} entries");
        // A single writer can use all the room that is left.
        for key in 0..(LIMIT - held) as u32 {
            store.set(&[&b"fill"[..], &key.to_le_bytes()].concat(), b"")?;
        }
        check_eq(
            "a key beyond the limit",
            errno(store.set(b"a key beyond the limit", b"")),
            Err(Errno::ENOSPC),
        )?;
        let all: Vec<_> = store.list()?.into_keys().collect();
        check_eq("entries", all.len(), LIMIT)?;
        for keys in all.chunks(100) {
            let request: Vec<u8> = keys.iter().flat_map(|key| entry(&[(KEY, key)])).collect();
            store.write(DEL, &request)?;
        }
    }
    Ok(())
}

fn each_namespace_has_its_own_limits() -> Result<()> {
    let _module = MODDB.load_with("max_entries=2")?;
    let mut store = Client::open()?;
    store.write(SET, &[pair(b"a", b""), pair(b"b", b"")].concat())?;
    let outcome = child::run(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let mut inside = Client::open_in_child()?;
        errno(inside.write(SET, &[pair(b"a", b""), pair(b"b", b"")].concat()))?;
        errno(inside.set(b"c", b""))
    })?;
    check_eq(
        "a third key in another namespace",
        outcome,
        Err(Errno::ENOSPC),
    )?;
    check_eq("entries of this namespace", store.list()?.len(), 2)
}

fn bad_parameters_fail_to_load() -> Result<()> {
    for parameters in [
        "read=3",
        "write=3",
        "read=-1",
        "write=no",
        "max_entries=-1",
        "max_bytes=many",
        "max_entries=",
    ] {
        let loaded = MODDB.try_load(parameters)?.map(drop);
        check_eq(
            &format!("loading with '{parameters}'"),
            loaded,
            Err(Errno::EINVAL),
        )?;
        check_eq(
            "the family",
            crate::moddb::netlink::Socket::open()?
                .family("moddb")?
                .is_none(),
            true,
        )?;
    }
    let module = MODDB.load_with("max_entries=0 max_bytes=0")?;
    check_eq(
        "a set with limits of 0",
        errno(Client::open()?.set(b"k", b"")),
        Err(Errno::ENOSPC),
    )?;
    check_eq("the store", Client::open()?.list()?, Pairs::new())?;
    module.unload()
}

/// Memory is charged to the writer's cgroup. What happens at the limit of a cgroup is not tested: the kernel then kills a
/// process.
fn memory_is_charged_to_the_writers_cgroup() -> Result<()> {
    let filesystems = std::fs::read_to_string("/proc/filesystems")?;
    if !filesystems.contains("cgroup2") {
        return skip("this kernel does not have cgroups");
    }
    let root = tempfile::tempdir()?;
    let none: Option<&str> = None;
    mount(
        Some("none"),
        root.path(),
        Some("cgroup2"),
        MsFlags::empty(),
        none,
    )
    .context("cannot mount cgroup2")?;
    let tested = in_cgroup(root.path());
    umount(root.path()).context("cannot unmount cgroup2")?;
    tested
}

fn in_cgroup(root: &Path) -> Result<()> {
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers"))?;
    if !controllers.contains("memory") {
        return skip("this kernel does not have memory cgroups");
    }
    std::fs::write(root.join("cgroup.subtree_control"), "+memory")?;
    let group = root.join("writer");
    std::fs::create_dir(&group)?;
    let tested = charged(&group);
    // The cgroup can be removed only after everything that was charged to it is freed.
    std::fs::remove_dir(&group).context("cannot remove the cgroup")?;
    tested
}

fn charged(group: &Path) -> Result<()> {
    let module = MODDB.load()?;
    let used = || -> Result<u64> {
        let text = std::fs::read_to_string(group.join("memory.current"))?;
        text.trim()
            .parse()
            .context("memory.current is not a number")
    };
    let procs = group.join("cgroup.procs");
    let written = child::run(|| {
        std::fs::write(&procs, "0").map_err(|_| Errno::EIO)?;
        let mut store = Client::open_in_child()?;
        for index in 0..200_u32 {
            errno(store.set(&index.to_le_bytes(), &[1; 16_000]))?;
        }
        Ok(())
    })?;
    check_eq("writing 3.2 MB", written, Ok(()))?;
    let held = used()?;
    ensure!(
        held > 200 * 16_000,
        "the cgroup was charged only {held} bytes for 3,200,000"
    );
    module.unload()?;
    let left = used()?;
    ensure!(
        left < held / 2,
        "the cgroup is still charged {left} bytes after unloading"
    );
    Ok(())
}
