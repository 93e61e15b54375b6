// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading while sockets, lists and writers exist.

use super::operations::errno;
use super::races::{end, start};
use crate::case::{cases, check_eq};
use crate::kernel::memory::keeps_nothing;
use crate::moddb::netlink::{Socket, NLM_F_DUMP};
use crate::moddb::{pair, Client, LIST, SET};
use crate::module::{MEMORY_INFO, MODDB};
use anyhow::{ensure, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, DeleteModuleFlags};
use nix::sys::socket::MsgFlags;
use std::time::{Duration, Instant};

cases! {
    no_family_without_the_module,
    unload_with_open_sockets,
    unload_during_a_list,
    unload_during_requests (180 s),
    fifty_loads_leak_nothing (300 s),
    loaded_together_with_memory_info,
}

fn no_family_without_the_module() -> Result<()> {
    let mut socket = Socket::open()?;
    check_eq("the family", socket.family("moddb")?.is_none(), true)?;
    MODDB.load()?.unload()?;
    check_eq(
        "the family after unloading",
        socket.family("moddb")?.is_none(),
        true,
    )
}

/// Open sockets do not prevent unloading, and the store is empty after the module is loaded again.
fn unload_with_open_sockets() -> Result<()> {
    let module = MODDB.load()?;
    let mut store = Client::open()?;
    let listener = Client::open()?;
    listener.join()?;
    store.set(b"k", b"v")?;
    module.unload()?;
    check_eq(
        "a GET without the module",
        errno(store.get(b"k")),
        Err(Errno::ENOENT),
    )?;
    check_eq("the family", store.socket.family("moddb")?.is_none(), true)?;
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    check_eq(
        "a key of the store before unloading",
        errno(store.get(b"k")),
        Err(Errno::ENOENT),
    )?;
    check_eq("entries", store.list()?.len(), 0)
}

/// A list in progress prevents unloading until it is read or its socket is closed.
fn unload_during_a_list() -> Result<()> {
    let module = MODDB.load()?;
    let mut store = Client::open()?;
    for index in 0..2_000_u32 {
        store.set(&index.to_le_bytes(), &[1; 1000])?;
    }
    let mut lister = Client::open()?;
    // At most two messages fit into the queue; the kernel makes the others when these are received.
    lister.socket.set_receive_buffer(4096)?;
    lister
        .socket
        .send(lister.family.id, NLM_F_DUMP, LIST, &[])?;
    lister.socket.receive_bytes(MsgFlags::empty())?;
    let unloaded = delete_module(c"moddb", DeleteModuleFlags::O_NONBLOCK);
    check_eq("unloading during a list", unloaded, Err(Errno::EWOULDBLOCK))?;
    store.flush()?;
    lister.socket.receive_bytes(MsgFlags::empty())?;
    drop(lister);
    module.unload()
}

fn unload_during_requests() -> Result<()> {
    let askers = start(4, |index| loop {
        // The module may be unloaded at any moment. Any answer is accepted, but there must be one.
        let Ok(mut store) = Client::open() else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        store.socket.set_receive_timeout(20_000)?;
        for round in 0..200_u32 {
            let key = (round % 50).to_le_bytes();
            let outcome = match index {
                0 => errno(store.set(&key, &[1; 3000])),
                1 => errno(store.get(&key)).map(drop),
                2 => errno(store.list_raw(false)).map(drop),
                _ => errno(store.write(SET, &[pair(&key, b"1"), pair(b"other", b"2")].concat())),
            };
            match outcome {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::EAGAIN) => return Err(Errno::ETIME),
                // The id belongs to another family now, or to none.
                Err(_) => break,
            }
        }
    })?;
    let deadline = Instant::now() + Duration::from_secs(12);
    let mut unloads = 0;
    while Instant::now() < deadline || unloads < 3 {
        std::mem::forget(MODDB.load()?);
        std::thread::sleep(Duration::from_millis(150));
        let limit = Instant::now() + Duration::from_secs(60);
        // A list in progress prevents unloading for a short time.
        while let Err(errno) = delete_module(c"moddb", DeleteModuleFlags::O_NONBLOCK) {
            check_eq("unloading", errno, Errno::EWOULDBLOCK)?;
            ensure!(
                Instant::now() < limit,
                "moddb cannot be unloaded within 60 s"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        unloads += 1;
    }
    end(askers)
}

fn fifty_loads_leak_nothing() -> Result<()> {
    keeps_nothing(|| {
        let module = MODDB.load()?;
        let mut store = Client::open()?;
        for index in 0..100_u32 {
            store.set(&index.to_le_bytes(), &[1; 10_000])?;
            store.set(&(index / 2).to_le_bytes(), &[2; 1_000])?;
        }
        store.list()?;
        module.unload()
    })
}

fn loaded_together_with_memory_info() -> Result<()> {
    let other = MEMORY_INFO.load()?;
    let module = MODDB.load()?;
    Client::open()?.set(b"k", b"v")?;
    other.unload()?;
    check_eq(
        "the value",
        errno(Client::open()?.get(b"k")),
        Ok(b"v".to_vec()),
    )?;
    let other = MEMORY_INFO.load()?;
    module.unload()?;
    other.unload()
}
