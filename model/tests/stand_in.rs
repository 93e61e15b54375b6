// SPDX-License-Identifier: GPL-2.0-only

//! The stand-in itself: it detects the mistakes that it is meant to detect, and its RCU reclaims as early
//! as it may.

use kernel::alloc::flags::{GFP_KERNEL, GFP_NOWAIT};
use kernel::alloc::{KBox, KVVec};
use kernel::bindings::{call_rcu, callback_head, rcu_barrier, synchronize_rcu};
use kernel::init::InPlaceInit;
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};
use kernel::sync::rcu::read_lock;
use kernel::sync::{new_condvar, new_mutex, CondVar, Mutex};
use kernel::testing::spawn;
use model::explore;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

type Value = KVVec<u32>;

fn value(number: u32) -> *mut Value {
    let value = KVVec::from_elem(number, 1, GFP_KERNEL).expect("memory");
    KBox::into_raw(KBox::new(value, GFP_KERNEL).expect("memory"))
}

/// # Safety
///
/// `value` was returned by [`value`] and is not used any more.
unsafe fn free(value: *mut Value) {
    // SAFETY: By the safety requirements of this function.
    drop(unsafe { KBox::from_raw(value) });
}

/// # Safety
///
/// The value is not freed during the call.
unsafe fn look(pointer: &Atomic<*mut Value>) -> u32 {
    // SAFETY: By the safety requirements of this function.
    let value = unsafe { &*pointer.load(Acquire) };
    value[0]
}

struct Published(Arc<Atomic<*mut Value>>);

impl Published {
    fn new() -> Self {
        Self(Arc::new(Atomic::new(value(1))))
    }

    /// Starts a thread that reads the value in a critical section.
    fn reader(&self) -> kernel::testing::Spawned<()> {
        let pointer = self.0.clone();
        spawn(move || {
            let guard = read_lock();
            // SAFETY: The tests that violate this requirement check that the model detects it.
            let seen = unsafe { look(&pointer) };
            assert!(seen == 1 || seen == 2);
            drop(guard);
        })
    }

    fn replace(&self) -> *mut Value {
        self.0.xchg(value(2), Release)
    }

    fn free(self) {
        // SAFETY: No other thread is left.
        unsafe { free(self.0.load(Acquire)) };
    }
}

#[test]
fn a_grace_period_protects_readers() {
    explore(|| {
        let published = Published::new();
        let reader = published.reader();
        let old = published.replace();
        // SAFETY: The value is not published any more, and the earlier readers have ended.
        unsafe {
            synchronize_rcu();
            free(old);
        }
        reader.join();
        published.free();
    });
}

#[test]
#[should_panic(expected = "no heap block")]
fn freeing_without_a_grace_period_is_found() {
    explore(|| {
        let published = Published::new();
        let reader = published.reader();
        let old = published.replace();
        // SAFETY: Violated on purpose: the model must detect this.
        unsafe { free(old) };
        reader.join();
        published.free();
    });
}

#[test]
#[should_panic(expected = "no heap block")]
fn a_grace_period_before_unpublishing_is_found() {
    explore(|| {
        let published = Published::new();
        let reader = published.reader();
        // SAFETY: Violated on purpose: the model must detect this.
        unsafe {
            synchronize_rcu();
            free(published.replace());
        }
        reader.join();
        published.free();
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn publishing_without_release_is_found() {
    explore(|| {
        let published = Published::new();
        let reader = published.reader();
        let old = published.0.xchg(value(2), Relaxed);
        // SAFETY: The value is not published any more, and a grace period has ended the earlier readers.
        unsafe {
            synchronize_rcu();
            free(old);
        }
        reader.join();
        published.free();
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn reading_without_acquire_is_found() {
    explore(|| {
        let pointer = Arc::new(Atomic::new(value(1)));
        let reader = {
            let pointer = pointer.clone();
            spawn(move || {
                let _guard = read_lock();
                // SAFETY: The value is freed after a grace period, which waits for this reader.
                let value = unsafe { &*pointer.load(Relaxed) };
                value[0]
            })
        };
        let old = pointer.xchg(value(2), Release);
        // SAFETY: The value is not published any more, and a grace period has ended the earlier readers.
        unsafe {
            synchronize_rcu();
            free(old);
        }
        reader.join();
        // SAFETY: No other thread is left.
        unsafe { free(pointer.load(Acquire)) };
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn readers_do_not_order_each_other() {
    explore(|| {
        let handed_over = Arc::new(Atomic::new(std::ptr::null_mut::<Value>()));
        let reader = {
            let handed_over = handed_over.clone();
            spawn(move || {
                drop(read_lock());
                let value = handed_over.load(Relaxed);
                // SAFETY: The pointer is null or points to a value; the model checks the ordering.
                unsafe { value.as_ref() }.map(|value| value[0])
            })
        };
        let value = value(1);
        drop(read_lock());
        handed_over.store(value, Relaxed);
        reader.join();
        // SAFETY: The reader has ended.
        unsafe { free(value) };
    });
}

#[test]
#[should_panic(expected = "leaked")]
fn a_leak_is_found() {
    explore(|| {
        value(1);
    });
}

#[test]
#[should_panic(expected = "freed")]
fn use_after_free_is_found() {
    explore(|| {
        let value = value(1);
        // SAFETY: The copy is never dropped.
        let copy = ManuallyDrop::new(unsafe { std::ptr::read(value) });
        // SAFETY: The only later use is the one that the model must detect.
        unsafe { free(value) };
        assert_eq!(copy[0], 1);
    });
}

#[test]
#[should_panic(expected = "synchronize_rcu() in an RCU read-side critical section")]
fn waiting_for_oneself_is_found() {
    explore(|| {
        let _guard = read_lock();
        // SAFETY: The stand-in has no requirements.
        unsafe { synchronize_rcu() };
    });
}

#[test]
#[should_panic(expected = "an allocation that may sleep in an RCU read-side critical section")]
fn sleeping_in_a_reader_is_found() {
    explore(|| {
        let _guard = read_lock();
        drop(KVVec::from_elem(0_u8, 1, GFP_NOWAIT));
        drop(KVVec::from_elem(0_u8, 1, GFP_KERNEL));
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_found() {
    explore(|| {
        let ready = Arc::new(Atomic::new(false));
        let mutex: Arc<Pin<KBox<Mutex<()>>>> =
            Arc::new(KBox::pin_init(new_mutex!(()), GFP_KERNEL).expect("memory"));
        let condvar: Arc<Pin<KBox<CondVar>>> =
            Arc::new(KBox::pin_init(new_condvar!(), GFP_KERNEL).expect("memory"));
        let waiter = {
            let (ready, mutex, condvar) = (ready.clone(), mutex.clone(), condvar.clone());
            spawn(move || {
                let mut guard = mutex.lock();
                while !ready.load(Acquire) {
                    condvar.wait(&mut guard);
                }
            })
        };
        // Without the mutex, so possibly between the waiter's check and its sleep.
        ready.store(true, Release);
        condvar.notify_all();
        waiter.join();
    });
}

/// A value with the head of its callback, and the flag that the callback sets.
#[repr(C)]
struct Counted {
    head: callback_head,
    has_run: Arc<AtomicBool>,
}

unsafe extern "C" fn tell(head: *mut callback_head) {
    // SAFETY: `head` is the first field of a `Counted`, which the callback owns.
    let counted = unsafe { KBox::from_raw(head.cast::<Counted>()) };
    counted.has_run.store(true, Ordering::Relaxed);
}

fn call(has_run: &Arc<AtomicBool>) {
    let counted = Counted {
        head: callback_head::default(),
        has_run: has_run.clone(),
    };
    let counted = KBox::into_raw(KBox::new(counted, GFP_NOWAIT).expect("memory"));
    // SAFETY: `head` is the first field of a value that the callback owns.
    unsafe { call_rcu(counted.cast(), Some(tell)) };
}

#[test]
fn callbacks_run_as_early_as_they_may() {
    let beside_a_later_reader = Arc::new(AtomicBool::new(false));
    let seen = beside_a_later_reader.clone();
    explore(move || {
        let has_run = Arc::new(AtomicBool::new(false));
        let reader = {
            let (has_run, seen) = (has_run.clone(), seen.clone());
            spawn(move || {
                let guard = read_lock();
                let before = has_run.load(Ordering::Relaxed);
                loom::thread::yield_now();
                let after = has_run.load(Ordering::Relaxed);
                if !before && after {
                    seen.store(true, Ordering::Relaxed);
                }
                drop(guard);
            })
        };
        let guard = read_lock();
        call(&has_run);
        assert!(!has_run.load(Ordering::Relaxed), "this reader began before");
        drop(guard);
        reader.join();
        assert!(has_run.load(Ordering::Relaxed), "all readers have ended");
        // SAFETY: The stand-in has no requirements.
        unsafe { rcu_barrier() };
    });
    assert!(
        beside_a_later_reader.load(Ordering::Relaxed),
        "no execution ran the callback beside a reader that began after call_rcu()"
    );
}

#[test]
fn a_barrier_waits_for_callbacks() {
    explore(|| {
        let has_run = Arc::new(AtomicBool::new(false));
        let reader = spawn(|| {
            let guard = read_lock();
            loom::thread::yield_now();
            drop(guard);
        });
        call(&has_run);
        // SAFETY: The stand-in has no requirements.
        unsafe { rcu_barrier() };
        assert!(has_run.load(Ordering::Relaxed));
        reader.join();
    });
}
