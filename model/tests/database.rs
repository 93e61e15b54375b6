// SPDX-License-Identifier: GPL-2.0-only

//! Readers, RESET and DEL at the same time.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::sync::atomic::{Acquire, Atomic, Release};
use kernel::testing::spawn;
use model::explore;
use model::queue::Queue;
use model::snapshot::{ScanFailure, Snapshot, GROUPS};
use protocol::coalescer::RunError;
use protocol::database::Database;
use protocol::rcu;
use std::sync::Arc;

type Db = Database<Snapshot, ScanFailure, Queue>;

/// Creates a database with the result of the scan with this number.
fn database(number: u32) -> Arc<Db> {
    let database = Arc::new(Db::new(GFP_KERNEL).expect("memory"));
    reset(&database, number).expect("nobody else is there");
    database
}

fn reset(database: &Db, number: u32) -> Result<(), RunError<ScanFailure>> {
    database.reset(
        || Snapshot::scan(number).map_err(|_| ScanFailure::NoMemory),
        drop,
    )
}

fn number(database: &Db) -> u32 {
    database.read(|snapshot, guard| {
        let snapshot = snapshot.expect("published before");
        for key in 0..GROUPS {
            assert_eq!(snapshot.group(key, guard), Some(snapshot.number()));
        }
        snapshot.number()
    })
}

#[test]
fn a_reader_sees_the_old_set_or_the_new_one_whole() {
    explore(|| {
        let database = database(1);
        let writer = {
            let database = database.clone();
            spawn(move || reset(&database, 2).expect("nobody else writes"))
        };
        let first = number(&database);
        let second = number(&database);
        assert!(first == 1 || first == 2);
        assert!(
            second == 2 || second == first,
            "the new set was there before"
        );
        writer.join();
        assert_eq!(number(&database), 2);
    });
}

#[test]
fn nothing_is_used_after_it_was_freed() {
    explore(|| {
        let database = database(1);
        let reader = {
            let database = database.clone();
            spawn(move || {
                database.read(|snapshot, guard| {
                    let snapshot = snapshot.expect("published before");
                    let before = snapshot.number();
                    loom::thread::yield_now();
                    assert_eq!(snapshot.group(0, guard), Some(before));
                    loom::thread::yield_now();
                    assert_eq!(snapshot.number(), before);
                });
            })
        };
        reset(&database, 2).expect("nobody else writes");
        reset(&database, 3).expect("nobody else writes");
        reader.join();
    });
}

#[test]
fn a_counted_reference_outlives_the_publication() {
    explore(|| {
        let database = database(1);
        let reader = {
            let database = database.clone();
            spawn(move || {
                let snapshot = database.snapshot().expect("published before");
                let before = snapshot.number();
                loom::thread::yield_now();
                let guard = rcu::read_lock();
                assert_eq!(snapshot.group(1, &guard), Some(before));
            })
        };
        reset(&database, 2).expect("nobody else writes");
        reader.join();
    });
}

#[test]
fn a_deleted_group_is_not_seen_by_readers_that_begin_afterwards() {
    explore(|| {
        let database = database(1);
        let deleted = Arc::new(Atomic::new(false));
        let deleter = {
            let (database, deleted) = (database.clone(), deleted.clone());
            spawn(move || {
                assert!(database.delete(&0));
                deleted.store(true, Release);
            })
        };
        let after = deleted.load(Acquire);
        database.read(|snapshot, guard| {
            let snapshot = snapshot.expect("published before");
            let seen = snapshot.group(0, guard);
            assert!(seen.is_none() || !after, "deleted before this reader began");
            assert_eq!(snapshot.group(1, guard), Some(1), "the other one stays");
        });
        deleter.join();
        rcu::barrier();
    });
}

#[test]
fn a_deleted_group_is_not_freed_under_readers_that_began_before() {
    explore(|| {
        let database = database(1);
        let reader = {
            let database = database.clone();
            spawn(move || {
                database.read(|snapshot, guard| {
                    let snapshot = snapshot.expect("published before");
                    if snapshot.group(0, guard).is_some() {
                        loom::thread::yield_now();
                    }
                    snapshot.group(0, guard);
                });
            })
        };
        assert!(database.delete(&0));
        assert!(!database.delete(&0), "deleted already");
        reader.join();
        rcu::barrier();
    });
}

#[test]
fn reset_beside_reset_beside_delete() {
    explore(|| {
        let database = database(1);
        let other = {
            let database = database.clone();
            spawn(move || reset(&database, 2))
        };
        let deleter = {
            let database = database.clone();
            spawn(move || database.delete(&0))
        };
        assert_eq!(reset(&database, 3), Ok(()));
        assert_eq!(other.join(), Ok(()));
        assert!(deleter.join(), "each set had this group");
        rcu::barrier();
        database.read(|snapshot, guard| {
            let snapshot = snapshot.expect("published before");
            assert!([2, 3].contains(&snapshot.number()));
            let last = Some(snapshot.number());
            assert!([None, last].contains(&snapshot.group(0, guard)));
            assert_eq!(snapshot.group(1, guard), last);
        });
    });
}

#[test]
fn two_deletes_of_one_group_succeed_once() {
    explore(|| {
        let database = database(1);
        let other = {
            let database = database.clone();
            spawn(move || database.delete(&1))
        };
        let here = database.delete(&1);
        assert!(here != other.join());
        rcu::barrier();
    });
}

#[test]
fn a_failed_reset_leaves_the_old_set() {
    explore(|| {
        let database = database(1);
        let failing = {
            let database = database.clone();
            spawn(move || database.reset(|| Err(ScanFailure::NoMemory), drop))
        };
        assert_eq!(number(&database), 1);
        assert_eq!(failing.join(), Err(RunError::Failed(ScanFailure::NoMemory)));
        assert_eq!(number(&database), 1);
    });
}

#[test]
fn a_reset_without_memory_leaves_the_old_set() {
    explore(|| {
        let database = database(1);
        let failing = {
            let database = database.clone();
            spawn(move || {
                let _failing = kernel::testing::fail_allocations_after(3);
                reset(&database, 2)
            })
        };
        assert_eq!(number(&database), 1);
        assert_eq!(failing.join(), Err(RunError::Failed(ScanFailure::NoMemory)));
        assert_eq!(number(&database), 1);
    });
}

#[test]
fn unload_waits_for_deleted_groups() {
    explore(|| {
        let database = database(1);
        let reader = spawn(|| {
            let guard = rcu::read_lock();
            loom::thread::yield_now();
            drop(guard);
        });
        assert!(database.delete(&0));
        database.close();
        drop(database);
        rcu::barrier();
        assert_eq!(
            kernel::testing::pending_rcu_callbacks(),
            0,
            "the module's code is gone"
        );
        reader.join();
    });
}

#[test]
fn unload_beside_commands() {
    explore(|| {
        let database = database(1);
        let resetting = {
            let database = database.clone();
            spawn(move || {
                let outcome = database.reset(
                    || {
                        if database.is_closing() {
                            return Err(ScanFailure::Killed);
                        }
                        Snapshot::scan(2).map_err(|_| ScanFailure::NoMemory)
                    },
                    drop,
                );
                assert!(matches!(
                    outcome,
                    Ok(()) | Err(RunError::Closing) | Err(RunError::Failed(ScanFailure::Killed))
                ));
            })
        };
        let deleting = {
            let database = database.clone();
            spawn(move || {
                database.delete(&0);
            })
        };
        database.close();
        assert_eq!(reset(&database, 3), Err(RunError::Closing));
        // As removing the file does: it waits for the commands in progress.
        resetting.join();
        deleting.join();
        drop(database);
        rcu::barrier();
        assert_eq!(kernel::testing::pending_rcu_callbacks(), 0);
    });
}
