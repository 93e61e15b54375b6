// SPDX-License-Identifier: GPL-2.0-only

//! Tests of what forks. They do without the usual test harness, since a process that forks must have a single thread.

use fastrand::Rng;
use guest::shared::{Flag, Shared};
use guest::{child, churn};
use nix::errno::Errno;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

fn main() {
    results_of_children_reach_their_parent();
    children_and_parent_share_values();
    rounds_of_churn_end_well();
}

fn results_of_children_reach_their_parent() {
    assert_eq!(child::run(|| Ok(())).unwrap(), Ok(()));
    let failed = child::run(|| Err(Errno::ENOENT)).unwrap();
    assert_eq!(failed, Err(Errno::ENOENT));
    let (outcome, text) = child::capture(|to| {
        to.write_all(b"text")?;
        Err(Errno::ESRCH.into())
    })
    .unwrap();
    let errno = outcome.unwrap_err().raw_os_error();
    assert_eq!(errno, Some(Errno::ESRCH as i32));
    assert_eq!(text, b"text");
    assert!(child::run(|| std::process::abort()).is_err());
}

fn children_and_parent_share_values() {
    let flag = Flag::new().unwrap();
    let counters = Shared::new(600, || AtomicU64::new(5)).unwrap();
    let outcome = child::run(|| {
        flag.set(true);
        counters[599].fetch_add(1, SeqCst);
        Ok(())
    });
    assert_eq!(outcome.unwrap(), Ok(()));
    assert!(flag.is_set());
    assert_eq!(counters[0].load(SeqCst), 5);
    assert_eq!(counters.leak()[599].load(SeqCst), 6);
}

fn rounds_of_churn_end_well() {
    let mut rng = Rng::with_seed(1);
    for _ in 0..30 {
        churn::round(&mut rng, &mut Command::new("/bin/true")).unwrap();
    }
}
