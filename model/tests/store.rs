// SPDX-License-Identifier: GPL-2.0-only

//! Readers and writers of a store at the same time.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::testing::spawn;
use model::explore;
use model::table::{change, store, ModelStore, Must, Slots, KEYS};
use protocol::rcu;
use protocol::store::change::ApplyError;
use protocol::store::stripes::StripeSet;
use std::sync::Arc;

const A: u32 = KEYS[0];
const B: u32 = KEYS[1];
const C: u32 = KEYS[2];

/// Creates a store with these numbers.
fn with(numbers: &[(u32, u32)], entries: u64) -> Arc<ModelStore> {
    let store = Arc::new(store(Slots::empty(), entries, i64::MAX));
    for (key, number) in numbers {
        assert_eq!(set(&store, &[(*key, Some(*number))]), Ok(()));
    }
    store
}

/// Sets keys to numbers, or deletes them.
fn set(store: &ModelStore, to: &[(u32, Option<u32>)]) -> Result<(), ApplyError<()>> {
    let mut changes: Vec<_> = to
        .iter()
        .map(|(key, to)| change(*key, *to, Must::BeAnything))
        .collect();
    store.apply(&mut changes, GFP_KERNEL, |_| {})
}

fn compare_and_set(store: &ModelStore, key: u32, from: Option<u32>, to: u32) -> bool {
    let mut change = change(key, Some(to), Must::Hold(from));
    let set = store.apply(std::slice::from_mut(&mut change), GFP_KERNEL, |_| {});
    assert!(matches!(set, Ok(()) | Err(ApplyError::Condition(0, ()))));
    set.is_ok()
}

fn get(store: &ModelStore, key: u32) -> Option<u32> {
    store.get(key, |value| value.map(|value| value.number()))
}

/// Returns the numbers of several keys at one moment.
fn get_all<const N: usize>(store: &ModelStore, keys: [u32; N]) -> [Option<u32>; N] {
    let stripes = keys
        .iter()
        .map(|key| store.stripe(*key))
        .fold(StripeSet::default(), StripeSet::with);
    let look = |guard: &_| keys.map(|key| store.find(key, guard).map(|value| value.number()));
    store.get_all(stripes, GFP_KERNEL, look).expect("memory")
}

/// Runs a writer on its own thread.
macro_rules! beside {
    ($store:ident, $write:expr) => {{
        let $store = $store.clone();
        spawn(move || $write)
    }};
}

#[test]
fn a_reader_sees_the_old_value_or_the_new_one_whole() {
    explore(|| {
        let store = with(&[(A, 1)], 10);
        let writer = beside!(store, set(&store, &[(A, Some(2))]));
        let first = get(&store, A).expect("there before and after");
        let second = get(&store, A).expect("there before and after");
        assert!(first <= second, "the new value was there before");
        assert_eq!(writer.join(), Ok(()));
        assert_eq!(get(&store, A), Some(2));
        rcu::barrier();
    });
}

#[test]
fn a_value_is_not_freed_under_its_reader() {
    explore(|| {
        let store = with(&[(A, 1)], 10);
        let reader = beside!(
            store,
            store.get(A, |value| {
                if let Some(value) = value {
                    let before = value.number();
                    loom::thread::yield_now();
                    assert_eq!(value.number(), before, "changed under its reader");
                }
            })
        );
        assert_eq!(set(&store, &[(A, Some(2))]), Ok(()));
        assert_eq!(set(&store, &[(A, None)]), Ok(()));
        reader.join();
        rcu::barrier();
    });
}

#[test]
fn no_update_is_lost() {
    explore(|| {
        let store = with(&[(A, 0)], 10);
        let add = |store: &ModelStore| loop {
            let now = get(store, A).expect("never deleted");
            if compare_and_set(store, A, Some(now), now + 1) {
                break;
            }
        };
        let other = beside!(store, add(&store));
        add(&store);
        other.join();
        assert_eq!(get(&store, A), Some(2), "an update was lost");
        rcu::barrier();
    });
}

#[test]
fn of_two_writers_that_set_an_absent_key_one_succeeds() {
    explore(|| {
        let store = with(&[], 10);
        let other = beside!(store, compare_and_set(&store, A, None, 1));
        let here = compare_and_set(&store, A, None, 2);
        assert!(here != other.join(), "both, or none");
        assert_eq!(get(&store, A), Some(if here { 2 } else { 1 }));
        rcu::barrier();
    });
}

#[test]
fn a_reader_of_several_keys_sees_a_batch_whole() {
    explore(|| {
        let store = with(&[(A, 1), (C, 1)], 10);
        let writer = beside!(store, set(&store, &[(A, Some(2)), (C, Some(2))]));
        let [a, c] = get_all(&store, [A, C]);
        assert_eq!(a, c, "half of a batch");
        assert_eq!(writer.join(), Ok(()));
        assert_eq!(get_all(&store, [C, A]), [Some(2); 2]);
        rcu::barrier();
    });
}

#[test]
fn a_reader_of_several_keys_sees_new_ones_and_deleted_ones_together() {
    explore(|| {
        let store = with(&[(A, 1)], 10);
        let writer = beside!(store, set(&store, &[(A, None), (B, Some(2))]));
        let seen = get_all(&store, [A, B]);
        assert!(
            seen == [Some(1), None] || seen == [None, Some(2)],
            "half of a batch: {seen:?}"
        );
        assert_eq!(writer.join(), Ok(()));
        rcu::barrier();
    });
}

#[test]
fn a_reader_of_several_keys_sees_two_writers_in_their_order() {
    explore(|| {
        let store = with(&[(A, 1), (C, 1)], 10);
        let writer = beside!(store, {
            assert_eq!(set(&store, &[(A, Some(2))]), Ok(()));
            assert_eq!(set(&store, &[(C, Some(2))]), Ok(()));
        });
        let [a, c] = get_all(&store, [A, C]);
        assert!(a >= c, "the later change without the earlier one");
        writer.join();
        rcu::barrier();
    });
}

#[test]
fn a_failed_batch_is_never_visible() {
    explore(|| {
        let store = Arc::new(store(Slots::refusing(C), 2, i64::MAX));
        let writer = beside!(store, set(&store, &[(A, Some(1)), (C, Some(1))]));
        assert_eq!(get(&store, A), None, "seen of a batch that fails");
        let failed = writer.join();
        assert!(matches!(failed, Err(ApplyError::Table(_))));
        assert_eq!(get(&store, A), None, "left of a batch that fails");
        // The failed batch does not count towards the limits.
        assert_eq!(set(&store, &[(A, Some(1))]), Ok(()));
        assert_eq!(set(&store, &[(B, Some(1))]), Ok(()));
        let too_many = set(&store, &[(C, Some(1))]);
        assert_eq!(
            too_many,
            Err(ApplyError::TooManyEntries),
            "entries are miscounted"
        );
        rcu::barrier();
    });
}

#[test]
fn nothing_is_done_if_one_condition_does_not_hold() {
    explore(|| {
        let store = with(&[(A, 1)], 10);
        let writer = beside!(store, set(&store, &[(A, Some(2))]));
        let mut batch = [
            change(B, Some(9), Must::BeAnything),
            change(A, Some(9), Must::Hold(Some(2))),
            change(C, None, Must::Be),
        ];
        let refused = store.apply(&mut batch, GFP_KERNEL, |_| panic!("not made"));
        assert!(matches!(refused, Err(ApplyError::Condition(1 | 2, ()))));
        assert_eq!(writer.join(), Ok(()));
        assert_eq!(get_all(&store, [A, B, C]), [Some(2), None, None]);
        rcu::barrier();
    });
}

#[test]
fn batches_in_any_order_end() {
    explore(|| {
        let store = with(&[], 10);
        let other = beside!(store, set(&store, &[(C, Some(1)), (A, Some(1))]));
        assert_eq!(set(&store, &[(A, Some(2)), (C, Some(2))]), Ok(()));
        assert_eq!(other.join(), Ok(()));
        let [a, c] = get_all(&store, [A, C]);
        assert_eq!(a, c, "two batches mixed");
        rcu::barrier();
    });
}

#[test]
fn a_delete_beside_a_set_of_the_same_key() {
    explore(|| {
        let store = with(&[(A, 1)], 1);
        let other = beside!(store, set(&store, &[(A, None)]));
        assert_eq!(set(&store, &[(A, Some(2))]), Ok(()));
        assert_eq!(other.join(), Ok(()));
        let last = get(&store, A);
        assert!([None, Some(2)].contains(&last), "{last:?}");
        // The limit is one entry, which counts once if it exists.
        let expected = if last.is_some() {
            Err(ApplyError::TooManyEntries)
        } else {
            Ok(())
        };
        assert_eq!(
            set(&store, &[(C, Some(3))]),
            expected,
            "entries are miscounted"
        );
        rcu::barrier();
    });
}

#[test]
fn the_limit_of_entries_is_never_exceeded() {
    explore(|| {
        let store = with(&[], 1);
        let other = beside!(store, set(&store, &[(A, Some(1))]));
        let here = set(&store, &[(C, Some(1))]);
        let other = other.join();
        assert!(here.is_ok() != other.is_ok(), "more than may be, or less");
        assert_eq!(get(&store, A).is_some(), other.is_ok());
        rcu::barrier();
    });
}

#[test]
fn remaining_credit_is_taken_once() {
    explore(|| {
        // The remaining credit is with the stripe of A and B.
        let store = with(&[(A, 1)], 2);
        let other = beside!(store, set(&store, &[(C, Some(1))]));
        let here = set(&store, &[(B, Some(1))]);
        let other = other.join();
        assert!(here.is_ok() != other.is_ok(), "more than may be, or less");
        rcu::barrier();
    });
}

#[test]
fn no_writer_is_refused_while_there_is_room() {
    explore(|| {
        let store = with(&[], 2);
        let other = beside!(store, set(&store, &[(A, Some(1))]));
        assert_eq!(set(&store, &[(C, Some(1))]), Ok(()), "refused with room");
        assert_eq!(other.join(), Ok(()), "refused with room");
        let third = set(&store, &[(B, Some(1))]);
        assert_eq!(third, Err(ApplyError::TooManyEntries), "more than may be");
        rcu::barrier();
    });
}

#[test]
fn a_flush_comes_before_or_after() {
    explore(|| {
        let store = with(&[(A, 1)], 2);
        let flush = beside!(
            store,
            store
                .flush(Slots::empty(), GFP_KERNEL, || {})
                .expect("memory")
        );
        assert_eq!(set(&store, &[(B, Some(2))]), Ok(()));
        let seen = get_all(&store, [A, B]);
        assert!(
            [[Some(1), Some(2)], [None, Some(2)], [None, None]].contains(&seen),
            "half of a flush: {seen:?}"
        );
        flush.join();
        let left = get(&store, B).is_some();
        assert_eq!(get(&store, A), None);
        let one_more = set(&store, &[(C, Some(3))]);
        assert_eq!(one_more, Ok(()), "entries are miscounted");
        let expected = if left {
            Err(ApplyError::TooManyEntries)
        } else {
            Ok(())
        };
        assert_eq!(
            set(&store, &[(A, Some(3))]),
            expected,
            "entries are miscounted"
        );
        rcu::barrier();
    });
}

#[test]
fn a_list_that_is_unchanged_is_of_one_moment() {
    explore(|| {
        let store = with(&[(A, 1), (C, 1)], 10);
        let reader = beside!(store, {
            let before = store.version();
            let (a, c) = (get(&store, A), get(&store, C));
            if store.next_version() == before {
                assert_eq!(a, c, "half of a batch, and nobody says so");
            }
        });
        assert_eq!(set(&store, &[(A, Some(2)), (C, Some(2))]), Ok(()));
        reader.join();
        rcu::barrier();
    });
}

#[test]
fn listeners_are_notified_of_changes_in_order() {
    explore(|| {
        let store = with(&[], 10);
        let heard = Arc::new(loom::sync::Mutex::new(Vec::new()));
        let tell = |number: u32| {
            let (store, heard) = (store.clone(), heard.clone());
            move || {
                let mut change = change(A, Some(number), Must::BeAnything);
                let change = std::slice::from_mut(&mut change);
                let told = |_: &[_]| heard.lock().expect("no panic").push(number);
                assert_eq!(store.apply(change, GFP_KERNEL, told), Ok(()));
            }
        };
        let other = spawn(tell(1));
        tell(2)();
        other.join();
        let last = heard.lock().expect("no panic").last().copied();
        assert_eq!(
            get(&store, A),
            last,
            "the last one heard is not the last one"
        );
        rcu::barrier();
    });
}

#[test]
fn a_writer_waits_when_its_backlog_is_full() {
    explore(|| {
        // One replaced value may wait; the writer of the second waits itself.
        let store = Arc::new(store(Slots::empty(), 10, 200));
        assert_eq!(set(&store, &[(A, Some(0))]), Ok(()));
        let reader = beside!(store, get(&store, A));
        for number in 1..4 {
            assert_eq!(set(&store, &[(A, Some(number))]), Ok(()));
            let waiting = kernel::testing::pending_rcu_callbacks();
            assert!(waiting <= 2, "{waiting} old values wait");
        }
        reader.join();
        rcu::barrier();
    });
}

#[test]
fn nothing_is_left_to_be_freed_after_the_unload() {
    explore(|| {
        let store = with(&[(A, 1)], 10);
        let reader = beside!(store, get(&store, A));
        assert_eq!(set(&store, &[(A, Some(2)), (B, Some(2))]), Ok(()));
        reader.join();
        drop(store);
        rcu::barrier();
        assert_eq!(kernel::testing::pending_rcu_callbacks(), 0);
    });
}
