// SPDX-License-Identifier: GPL-2.0-only

//! `moddb` beside other ways in which processes can share keys and values.

use crate::experiment::{timed, Experiment, Log};
use crate::flag::Flag;
use crate::holder::Holder;
use crate::module::Module;
use crate::stores::{FileStore, Moddb, Redis, Server, SharedMemory, SharedTable, Store, KEYS};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long each of them works.
const TIME: Duration = Duration::from_millis(200);
/// The statement's.
const PROCESSES: [usize; 6] = [1, 2, 4, 6, 8, 10];
/// Round trips that are timed together.
const TRIPS: u32 = 2000;

const MODULE: &str = "moddb";
const MODES: [(&str, u8); 3] = [("read", b'r'), ("write", b'w'), ("mix", b'm')];

/// All of them.
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

/// Operations a second of 1 to 10 processes: the statement's table.
fn table(log: &Log) -> Result<()> {
    if !Module::exists(MODULE) {
        return log.skip("there is no module moddb");
    }
    let _module = Module::load(MODULE)?;
    let server = Server::start()?;
    if server.is_none() {
        log.skip("the guest has no redis-server")?;
    }
    let shared = SharedTable::new()?;
    let stop = Flag::new()?;
    let mut crews = vec![
        ("moddb", crew(&stop, Moddb::connect)?),
        ("file", crew(&stop, FileStore::open)?),
        (
            "shared memory",
            crew(&stop, || Ok(SharedMemory::new(&shared)))?,
        ),
    ];
    if server.is_some() {
        crews.push(("Redis", crew(&stop, Redis::connect)?));
    }
    for round in 0..log.rounds {
        for count in PROCESSES {
            for (mode, command) in MODES {
                for (name, crew) in &mut crews {
                    let crew = crew.get_mut(..count).context("there are as many")?;
                    let speed = speed(crew, &stop, command)?;
                    let measure = format!("{name} {mode} of {count}");
                    log.value(round, &measure, speed, "a second")?;
                }
            }
        }
    }
    Ok(())
}

/// Processes that work until the flag goes up, and answer with what they did.
fn crew<S: Store>(stop: &Flag, connect: impl Fn() -> Result<S>) -> Result<Vec<Holder>> {
    let member = || {
        let prepare = || {
            let mut store = connect()?;
            (0..KEYS).try_for_each(|key| store.set(key))?;
            Ok(store)
        };
        Holder::start(c"bench-client", prepare, |store, mode| {
            let mut random = fastrand::Rng::new();
            let mut done = 0;
            while !stop.is_up() {
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
    (0..most).map(|_| member()).collect()
}

/// What the crew does a second.
fn speed(crew: &mut [Holder], stop: &Flag, mode: u8) -> Result<f64> {
    stop.set(false);
    let start = Instant::now();
    crew.iter_mut().try_for_each(|member| member.tell(mode))?;
    std::thread::sleep(TIME);
    stop.set(true);
    let time = start.elapsed();
    let mut done = 0;
    for member in crew {
        done += member.wait_for_answer()?;
    }
    Ok(done as f64 / time.as_secs_f64())
}

/// What one process waits for one answer.
fn round_trips(log: &Log) -> Result<()> {
    if !Module::exists(MODULE) {
        return log.skip("there is no module moddb");
    }
    let _module = Module::load(MODULE)?;
    let mut moddb = Moddb::connect()?;
    (0..KEYS).try_for_each(|key| moddb.set(key))?;
    for round in 0..log.rounds {
        let mut measure = |name: &str, call: fn(&mut Moddb) -> Result<()>| {
            let time = timed(|| (0..TRIPS).try_for_each(|_| call(&mut moddb)))?;
            log.time_each(round, name, time, u64::from(TRIPS))
        };
        measure("noop", Moddb::noop)?;
        measure("get", |moddb| moddb.get(7))?;
        measure("set", |moddb| moddb.set(7))?;
        measure("get of 64", Moddb::get_batch)?;
        measure("set of 64", Moddb::set_batch)?;
    }
    Ok(())
}
