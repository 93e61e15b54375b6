// SPDX-License-Identifier: GPL-2.0-only

//! Stopped processes are counted exactly, whatever other processes of their set do.
//!
//! [`guest::set_churn`] says why the counts of the stopped processes can be told from those of the others.

use crate::case::{cases, check_eq};
use crate::helper::repeater::Repeater;
use crate::helper::{worker_command, Helper};
use crate::memory_info;
use crate::memory_info::oracle;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Result};
use fastrand::Rng;
use guest::classes::Classes;
use guest::set_churn::{Contents, SetChurn, FIRST_UNIQUE_SEED};
use nix::errno::Errno;
use std::ffi::CStr;
use std::time::{Duration, Instant};

cases! {
    of_other_contents (120 s),
    of_the_same_contents (120 s),
}

/// Name of the set.
const COMM: &CStr = c"mixed";
/// Number of stopped processes.
const STOPPED: u64 = 3;
/// Number of processes that start and end others.
const CHURNS: usize = 4;
/// Time for which RESETs are given.
const TIME: Duration = Duration::from_secs(3);

/// Returns the pages of the stopped process `index`. The unique pages are unique in the set.
fn classes(index: u64) -> Classes {
    Classes {
        twins: 1000,
        pairs: 1200,
        unique: 2000,
        first_unique: FIRST_UNIQUE_SEED - (index + 1) * 2000,
    }
}

fn of_other_contents() -> Result<()> {
    let counter = Contents::counter()?;
    let contents = Contents::Unique(&counter);
    beside_churn(contents, |expected, may_be_shared| {
        check_eq("may_be_shared", may_be_shared, expected)
    })
}

fn of_the_same_contents() -> Result<()> {
    let contents = Contents::Copies(classes(0).shared_seeds());
    beside_churn(contents, |expected, may_be_shared| {
        ensure!(
            may_be_shared >= expected,
            "may_be_shared is {may_be_shared}, of which {expected} are of the stopped processes"
        );
        Ok(())
    })
}

fn beside_churn(
    contents: Contents<'_>,
    check_shared: impl Fn(u64, u64) -> Result<()>,
) -> Result<()> {
    let name = COMM.to_str()?;
    let stopped = (0..STOPPED)
        .map(|index| Helper::worker(name, "classes", Some(&classes(index).to_text())))
        .collect::<Result<Vec<_>>>()?;
    let _module = MEMORY_INFO.load()?;
    let before = oracle::agree_on(&[name])?.remove(0);
    let may_be_shared = STOPPED * classes(0).may_be_shared();
    let nb_group = classes(0).nb_group();
    check_eq("may_be_shared at rest", before.may_be_shared, may_be_shared)?;
    check_eq("nb_group at rest", before.nb_group, nb_group)?;

    let churns = (0..CHURNS).map(|_| {
        let mut rng = Rng::new();
        let mut churn = None;
        Repeater::start("churn in the set", move || {
            let mut program =
                worker_command("churned", "churn", Some("0")).map_err(|_| Errno::EIO)?;
            let churn = match &churn {
                Some(churn) => churn,
                None => churn.insert(SetChurn::new(COMM, contents).map_err(|_| Errno::EIO)?),
            };
            churn.round(&mut rng, &mut program).map_err(|error| {
                eprintln!("{error:#}");
                Errno::EIO
            })
        })
    });
    let churns = churns.collect::<Result<Vec<_>>>()?;
    let end = Instant::now() + TIME;
    let (mut resets, mut most) = (0, 0);
    while Instant::now() < end {
        memory_info::reset()?;
        resets += 1;
        let line = memory_info::line_of(name)?;
        line.check()?;
        let context = |error: anyhow::Error| error.context(format!("RESET {resets}: {line:?}"));
        check_shared(may_be_shared, line.may_be_shared).map_err(context)?;
        check_eq("nb_group", line.nb_group, nb_group).map_err(context)?;
        for process in &stopped {
            ensure!(
                line.pids.contains(&process.pid()),
                "a stopped process is missing: {line:?}"
            );
        }
        most = most.max(line.pids.len());
    }
    ensure!(
        most > stopped.len(),
        "none of {resets} RESETs found a process of the churn"
    );
    drop(churns);
    let after = oracle::agree_on(&[name])?.remove(0);
    ensure!(
        before == after,
        "the line of the stopped processes changed\n  before: {before:?}\n  after:  {after:?}"
    );
    Ok(())
}
