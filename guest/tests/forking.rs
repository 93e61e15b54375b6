// SPDX-License-Identifier: GPL-2.0-only

//! Tests of what forks. They do without the usual test harness, since a process that forks must have a single thread.

use fastrand::Rng;
use guest::classes::Classes;
use guest::set_churn::{Contents, SetChurn};
use guest::shared::{Flag, Shared};
use guest::shared_tables::{Foreign, SharedTables, Unsharing};
use guest::{child, churn, image};
use nix::errno::Errno;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

fn main() {
    results_of_children_reach_their_parent();
    children_and_parent_share_values();
    rounds_of_churn_end_well();
    only_new_memory_is_read_only();
    rounds_of_churn_in_a_set_end_well();
    page_tables_are_shared_and_unshared();
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

fn only_new_memory_is_read_only() {
    let classes = Classes {
        twins: 6,
        pairs: 4,
        unique: 3,
        first_unique: 1000,
    };
    let outcome = child::run(|| {
        image::make_writable().map_err(|_| Errno::EIO)?;
        let area = classes.map().map_err(|_| Errno::EIO)?;
        let start = format!("{:x}-", area.start().addr());
        let maps = std::fs::read_to_string("/proc/self/maps").map_err(child::errno_of)?;
        let read_only: Vec<&str> = maps
            .lines()
            .filter(|line| line.contains(" r-") && !line.contains("[v"))
            .collect();
        match read_only[..] {
            [line] if line.starts_with(&start) => Ok(()),
            _ => Err(Errno::EDOM),
        }
    });
    assert_eq!(outcome.unwrap(), Ok(()));
    assert_eq!((classes.may_be_shared(), classes.nb_group()), (14, 6));
    let parsed: Classes = classes.to_text().parse().unwrap();
    assert_eq!(parsed.pages(), 17);
}

fn rounds_of_churn_in_a_set_end_well() {
    let counter = Contents::counter().unwrap();
    for contents in [Contents::Unique(&counter), Contents::Copies(7)] {
        let outcome = child::run(|| {
            let churn = SetChurn::new(c"set", contents).map_err(|_| Errno::EIO)?;
            let mut rng = Rng::with_seed(1);
            (0..10).try_for_each(|_| {
                let round = churn.round(&mut rng, &mut Command::new("/bin/true"));
                round.map_err(|_| Errno::ECHILD)
            })
        });
        assert_eq!(outcome.unwrap(), Ok(()));
    }
}

fn page_tables_are_shared_and_unshared() {
    let outcome = child::run(|| {
        let tables = match SharedTables::map(2) {
            Ok(tables) => tables,
            // This system does not have hugetlb files.
            Err(error) => return error.downcast().map_or(Err(Errno::EIO), |_: Errno| Ok(())),
        };
        for unsharing in [Unsharing::Discard, Unsharing::PunchHole] {
            let round = tables.round(c"other", unsharing, Foreign::Anonymous, || ());
            round.map_err(|_| Errno::ECHILD)?;
        }
        Ok(())
    });
    assert_eq!(outcome.unwrap(), Ok(()));
}
