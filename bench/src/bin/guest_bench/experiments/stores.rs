// SPDX-License-Identifier: GPL-2.0-only

//! `moddb` and other stores that processes can share.

use crate::experiment::{timed, Experiment, Results};
use crate::helper_process::HelperProcess;
use crate::stores::{FileStore, Moddb, Redis, Server, SharedMemory, SharedTable, Store, KEYS};
use anyhow::{Context, Result};
use guest::module::MODDB;
use guest::shared::Flag;
use std::time::{Duration, Instant};

/// Duration of one measurement.
const TIME: Duration = Duration::from_millis(200);
/// Numbers of processes that the module's task asks for.
const PROCESSES: [usize; 6] = [1, 2, 4, 6, 8, 10];
/// Number of round trips that are timed together.
const TRIPS: u32 = 2000;

/// Names of the access patterns and the requests for them.
const MODES: [(&str, u8); 3] = [("read", b'r'), ("write", b'w'), ("mix", b'm')];

/// Experiments of this file.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "moddb::table",
        quick: false,
        memory: 256 << 20,
        run: table,
    },
    Experiment {
        name: "moddb::round-trips",
        quick: true,
        memory: 0,
        run: round_trips,
    },
];

/// Operations per second of 1 to 10 processes: the table of the module's task.
fn table(results: &Results) -> Result<()> {
    if !MODDB.is_available() {
        return results.skip("the guest does not have the module moddb");
    }
    let _module = MODDB.load("")?;
    let server = Server::start()?;
    if server.is_none() {
        results.skip("the guest does not have redis-server")?;
    }
    let shared = SharedTable::new()?;
    let stop = Flag::new()?;
    let mut clients = vec![
        ("moddb", start_clients(&stop, Moddb::connect)?),
        ("file", start_clients(&stop, FileStore::open)?),
        (
            "shared memory",
            start_clients(&stop, || Ok(SharedMemory::new(&shared)))?,
        ),
    ];
    if server.is_some() {
        clients.push(("Redis", start_clients(&stop, Redis::connect)?));
    }
    for round in 0..results.rounds {
        for count in PROCESSES {
            for (mode, request) in MODES {
                for (name, processes) in &mut clients {
                    let processes = processes.get_mut(..count).context("too few processes")?;
                    let speed = operations_per_second(processes, &stop, request)?;
                    let measure = format!("{name} {mode} of {count}");
                    results.value(round, &measure, speed, "a second")?;
                }
            }
        }
    }
    Ok(())
}

/// Starts processes that access the store until the flag is set, and reply with the number of operations.
fn start_clients<S: Store>(
    stop: &Flag,
    connect: impl Fn() -> Result<S>,
) -> Result<Vec<HelperProcess>> {
    let start = || {
        let prepare = || {
            let mut store = connect()?;
            (0..KEYS).try_for_each(|key| store.set(key))?;
            Ok(store)
        };
        HelperProcess::start(c"bench-client", prepare, |store, mode| {
            let mut random = fastrand::Rng::new();
            let mut done = 0;
            while !stop.is_set() {
                let key = random.usize(..KEYS);
                let write = match mode {
                    b'r' => false,
                    b'w' => true,
                    _ => random.bool(),
                };
                if write {
                    store.set(key)?;
                } else {
                    store.get(key)?;
                }
                done += 1;
            }
            Ok(done)
        })
    };
    let most = PROCESSES.into_iter().max().unwrap_or(1);
    (0..most).map(|_| start()).collect()
}

/// Returns the operations per second of all processes together.
fn operations_per_second(processes: &mut [HelperProcess], stop: &Flag, mode: u8) -> Result<f64> {
    stop.set(false);
    let start = Instant::now();
    processes
        .iter_mut()
        .try_for_each(|process| process.send(mode))?;
    std::thread::sleep(TIME);
    stop.set(true);
    let time = start.elapsed();
    let mut done = 0;
    for process in processes {
        done += process.receive()?;
    }
    Ok(done as f64 / time.as_secs_f64())
}

/// Time of one round trip of a single process.
fn round_trips(results: &Results) -> Result<()> {
    if !MODDB.is_available() {
        return results.skip("the guest does not have the module moddb");
    }
    let _module = MODDB.load("")?;
    let mut moddb = Moddb::connect()?;
    (0..KEYS).try_for_each(|key| moddb.set(key))?;
    for round in 0..results.rounds {
        let mut measure = |name: &str, call: fn(&mut Moddb) -> Result<()>| {
            let time = timed(|| (0..TRIPS).try_for_each(|_| call(&mut moddb)))?;
            results.time_each(round, name, time, u64::from(TRIPS))
        };
        measure("noop", Moddb::noop)?;
        measure("get", |moddb| moddb.get(7))?;
        measure("set", |moddb| moddb.set(7))?;
        measure("get of 64", Moddb::get_batch)?;
        measure("set of 64", Moddb::set_batch)?;
    }
    Ok(())
}
