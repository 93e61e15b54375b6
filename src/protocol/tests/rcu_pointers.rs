// SPDX-License-Identifier: GPL-2.0-only

//! The ownership of a value from its allocation until it is dropped.

use kernel::alloc::flags::{GFP_ATOMIC, GFP_KERNEL};
use kernel::testing::{fail_allocations_after, pending_rcu_callbacks};
use protocol::rcu::{barrier, read_lock, synchronize, RcuBox, RcuPointer, Retired};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// A value whose drops are counted.
struct Counted {
    number: u32,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn value(&self, number: u32) -> RcuBox<Counted> {
        let dropped = self.0.clone();
        RcuBox::new(Counted { number, dropped }, GFP_KERNEL).expect("memory")
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn number(pointer: &RcuPointer<Counted>) -> Option<u32> {
    let guard = read_lock();
    pointer.read(&guard).map(|value| value.number)
}

#[test]
fn a_box_owns_its_value() {
    let drops = Drops::default();
    let mut value = drops.value(1);
    value.number = 2;
    assert_eq!(value.number, 2);
    assert_eq!(drops.count(), 0);
    drop(value);
    assert_eq!(drops.count(), 1);
}

#[test]
fn without_memory_the_value_is_dropped() {
    let drops = Drops::default();
    let value = Counted {
        number: 1,
        dropped: drops.0.clone(),
    };
    let failing = fail_allocations_after(0);
    assert!(RcuBox::new(value, GFP_KERNEL).is_err());
    drop(failing);
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_empty_pointer_has_nothing() {
    let pointer = RcuPointer::<Counted>::empty();
    assert_eq!(number(&pointer), None);
    assert!(pointer.replace(None).is_none());
}

#[test]
fn a_pointer_owns_what_it_publishes() {
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    assert!(pointer.replace(Some(drops.value(1))).is_none());
    assert_eq!(number(&pointer), Some(1));
    assert_eq!(drops.count(), 0);
    drop(pointer);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_replaced_value_is_dropped_after_a_grace_period() {
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    drop(pointer.replace(Some(drops.value(1))));
    let retired = pointer.replace(Some(drops.value(2))).expect("1 was there");
    assert_eq!(retired.number, 1);
    assert_eq!(number(&pointer), Some(2));
    assert_eq!(drops.count(), 0);
    drop(retired);
    assert_eq!(drops.count(), 1);
    drop(pointer.replace(None));
    assert_eq!(number(&pointer), None);
    assert_eq!(drops.count(), 2);
}

#[test]
fn a_value_that_is_freed_later_waits_for_readers() {
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    drop(pointer.replace(Some(drops.value(1))));
    let guard = read_lock();
    let seen = pointer.read(&guard).expect("published");
    pointer.replace(None).expect("1 was there").free_later();
    assert_eq!(seen.number, 1);
    assert_eq!(drops.count(), 0, "a reader still sees it");
    assert!(pending_rcu_callbacks() > 0);
    drop(guard);
    barrier();
    assert_eq!(drops.count(), 1);
}

#[test]
fn nested_readers_count_until_the_last_ends() {
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    drop(pointer.replace(Some(drops.value(1))));
    let outer = read_lock();
    let inner = read_lock();
    pointer.replace(None).expect("1 was there").free_later();
    drop(inner);
    assert_eq!(drops.count(), 0);
    drop(outer);
    barrier();
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_counted_reference_outlives_all() {
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    drop(pointer.replace(Some(drops.value(1))));
    let guard = read_lock();
    let counted = pointer.read(&guard).expect("published").to_arc();
    drop(guard);
    let second = counted.clone();
    drop(pointer.replace(None));
    drop(counted);
    assert_eq!((second.number, drops.count()), (1, 0));
    drop(second);
    assert_eq!(drops.count(), 1);
}

#[test]
fn compare_replace_replaces_the_value_that_was_found() {
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    let guard = read_lock();
    let fresh = |number| {
        let dropped = drops.0.clone();
        RcuBox::new(Counted { number, dropped }, GFP_ATOMIC).expect("memory")
    };
    let none = pointer.compare_replace(None, Some(fresh(1)));
    assert!(matches!(none, Ok(None)));
    let found = pointer.read(&guard);
    let Err(Some(back)) = pointer.compare_replace(None, Some(fresh(2))) else {
        panic!("there is something by now");
    };
    assert_eq!(back.number, 2, "what was not published comes back");
    let Ok(Some(old)) = pointer.compare_replace(found, Some(back)) else {
        panic!("found just before");
    };
    assert_eq!(old.number, 1);
    old.free_later();
    assert!(matches!(pointer.compare_replace(found, None), Err(None)));
    let found = pointer.read(&guard);
    let Ok(Some(old)) = pointer.compare_replace(found, None) else {
        panic!("found just before");
    };
    old.free_later();
    assert!(pointer.read(&guard).is_none());
    drop(guard);
    barrier();
    assert_eq!(drops.count(), 2);
}

#[test]
fn values_go_to_the_kernels_structures_and_come_back() {
    let drops = Drops::default();
    let value = drops.value(1).into_published();
    // SAFETY: The value was just given up, and no reader has seen it.
    let value = unsafe { RcuBox::from_published(value) };
    assert_eq!((value.number, drops.count()), (1, 0));
    let value = value.into_published();
    // SAFETY: The value was just given up, and no reader can reach it.
    let retired = unsafe { Retired::from_published(value) };
    assert_eq!((retired.number, drops.count()), (1, 0));
    retired.free_later();
    synchronize();
    barrier();
    assert_eq!(drops.count(), 1);
}

/// Real threads, for Miri and the sanitizers.
#[test]
fn readers_beside_a_writer() {
    let rounds = if cfg!(miri) { 20 } else { 2000 };
    let drops = Drops::default();
    let pointer = RcuPointer::empty();
    drop(pointer.replace(Some(drops.value(0))));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let mut last = 0;
                while last < rounds {
                    let now = number(&pointer).expect("always published");
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
        for round in 1..=rounds {
            let old = pointer
                .replace(Some(drops.value(round)))
                .expect("always published");
            if round % 2 == 0 {
                old.free_later();
            }
        }
    });
    drop(pointer);
    barrier();
    assert_eq!(drops.count(), rounds as usize + 1);
}
