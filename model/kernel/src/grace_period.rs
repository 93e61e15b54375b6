// SPDX-License-Identifier: GPL-2.0-only

//! RCU that reclaims as early as it may: a grace period ends, and a callback runs, at the moment when the
//! last reader that began earlier ends (on that reader's thread, or at once if there is none).
//!
//! This file only records which threads are in a read-side critical section and adds no happens-before
//! edges. The edges that RCU guarantees are in [`ReaderEdges`].

use crate::callback_head::callback_head;
use crate::runtime::{self, atomic, shared, Event, ReaderEdges};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// The number of a read-side critical section.
type Section = u64;

struct Reader {
    nesting: usize,
    section: Section,
}

struct Callback {
    head: *mut callback_head,
    func: unsafe extern "C" fn(*mut callback_head),
}

// SAFETY: `call_rcu()` hands the head over to RCU, and any thread may run the callback.
unsafe impl Send for Callback {}

enum Then {
    Run(Callback),
    Wake(Event),
}

/// A grace period that has begun.
struct Waiting {
    /// The sections that the grace period waits for.
    sections: BTreeSet<Section>,
    /// True once all threads were asked whether they read.
    is_complete: bool,
    then: Then,
}

#[derive(Default)]
struct Domain {
    edges: ReaderEdges,
    /// Changes with each callback: registered, or run.
    callbacks: Arc<atomic::AtomicUsize>,
    readers: BTreeMap<usize, Reader>,
    in_callback: BTreeSet<usize>,
    last_number: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Callbacks that have not returned yet.
    pending: BTreeSet<u64>,
    /// For each `rcu_barrier()`, what it still waits for.
    barriers: Vec<(BTreeSet<u64>, Event)>,
}

impl Domain {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

shared!(DOMAIN: Domain);

/// Resets the state of the previous execution.
#[cfg(feature = "loom")]
pub(crate) fn start_execution() {
    let fresh = Domain::default();
    DOMAIN.with_borrow_mut(|domain| *domain = fresh);
}

/// Returns the number of callbacks that have not returned yet.
pub(crate) fn pending() -> usize {
    DOMAIN.with_borrow_mut(|domain| domain.pending.len())
}

/// Tells whether the running thread is in a callback.
#[cfg(feature = "loom")]
pub(crate) fn in_callback() -> bool {
    let thread = runtime::current_thread();
    DOMAIN.with_borrow_mut(|domain| domain.in_callback.contains(&thread))
}

/// Panics where the kernel would warn: "sleeping function called from invalid context".
pub(crate) fn assert_may_sleep(what: &str) {
    let thread = runtime::current_thread();
    let (reads, calls_back) = DOMAIN.with_borrow_mut(|domain| {
        (
            domain.readers.contains_key(&thread),
            domain.in_callback.contains(&thread),
        )
    });
    assert!(!reads, "{what} in an RCU read-side critical section");
    assert!(!calls_back, "{what} in an RCU callback");
}

fn edges() -> ReaderEdges {
    DOMAIN.with_borrow_mut(|domain| domain.edges.clone())
}

fn callbacks() -> Arc<atomic::AtomicUsize> {
    DOMAIN.with_borrow_mut(|domain| domain.callbacks.clone())
}

pub(crate) fn read_lock() {
    let thread = runtime::current_thread();
    let nested = DOMAIN.with_borrow_mut(|domain| match domain.readers.get_mut(&thread) {
        Some(reader) => {
            reader.nesting += 1;
            true
        }
        None => false,
    });
    if nested {
        return;
    }
    edges().reader_begins(thread);
    DOMAIN.with_borrow_mut(|domain| {
        let section = domain.number();
        domain.readers.insert(
            thread,
            Reader {
                nesting: 1,
                section,
            },
        );
    });
}

pub(crate) fn read_unlock() {
    let thread = runtime::current_thread();
    let is_outermost = DOMAIN.with_borrow_mut(|domain| {
        let reader = domain
            .readers
            .get_mut(&thread)
            .expect("a reader ends that began");
        reader.nesting -= 1;
        reader.nesting == 0
    });
    if !is_outermost {
        return;
    }
    edges().reader_ends(thread);
    let over = DOMAIN.with_borrow_mut(|domain| {
        let reader = domain
            .readers
            .remove(&thread)
            .expect("a reader ends that began");
        let mut over = Vec::new();
        for (number, waiting) in &mut domain.waiting {
            let awaited = waiting.sections.remove(&reader.section);
            if awaited && waiting.is_complete && waiting.sections.is_empty() {
                over.push(*number);
            }
        }
        over
    });
    for number in over {
        end(number);
    }
}

/// Begins a grace period: records the current readers of all threads. Returns the grace period's number,
/// and whether it is over already.
fn begin(then: Then) -> (u64, bool) {
    let number = DOMAIN.with_borrow_mut(|domain| {
        let number = domain.number();
        if matches!(then, Then::Run(_)) {
            domain.pending.insert(number);
        }
        let waiting = Waiting {
            sections: BTreeSet::new(),
            is_complete: false,
            then,
        };
        domain.waiting.insert(number, waiting);
        number
    });
    let edges = edges();
    for asked in edges.threads() {
        edges.ask(asked);
        DOMAIN.with_borrow_mut(|domain| {
            let reading = domain
                .readers
                .iter()
                .filter(|(thread, _)| ReaderEdges::is_asked(asked, **thread))
                .map(|(_, reader)| reader.section);
            let waiting = domain.waiting.get_mut(&number).expect("not complete yet");
            waiting.sections.extend(reading);
        });
    }
    let is_over = DOMAIN.with_borrow_mut(|domain| {
        let waiting = domain.waiting.get_mut(&number).expect("not complete yet");
        waiting.is_complete = true;
        waiting.sections.is_empty()
    });
    (number, is_over)
}

/// Ends a grace period, on the thread of its last reader or on that of the updater.
fn end(number: u64) {
    let waiting = DOMAIN.with_borrow_mut(|domain| domain.waiting.remove(&number));
    match waiting.expect("a grace period ends once").then {
        Then::Wake(updater) => updater.set(),
        Then::Run(callback) => run(number, callback),
    }
}

fn run(number: u64, callback: Callback) {
    let thread = runtime::current_thread();
    let edges = edges();
    for ended in edges.threads() {
        edges.has_ended(ended);
    }
    let nested = DOMAIN.with_borrow_mut(|domain| !domain.in_callback.insert(thread));
    // SAFETY: the caller of `call_rcu()` vouches for both; this is the one call.
    unsafe { (callback.func)(callback.head) };
    DOMAIN.with_borrow_mut(|domain| {
        if !nested {
            domain.in_callback.remove(&thread);
        }
    });
    callbacks().fetch_add(1, Ordering::Release);
    let woken = DOMAIN.with_borrow_mut(|domain| {
        domain.pending.remove(&number);
        let mut woken = Vec::new();
        domain.barriers.retain_mut(|(awaited, barrier)| {
            awaited.remove(&number);
            if awaited.is_empty() {
                woken.push(barrier.clone());
            }
            !awaited.is_empty()
        });
        woken
    });
    for barrier in woken {
        barrier.set();
    }
    runtime::resume_failure();
}

/// `call_rcu()`.
///
/// # Safety
///
/// `head` stays valid and is not used for anything else until `func` runs.
pub(crate) unsafe fn call(
    head: *mut callback_head,
    func: unsafe extern "C" fn(*mut callback_head),
) {
    callbacks().fetch_add(1, Ordering::Relaxed);
    let (number, is_over) = begin(Then::Run(Callback { head, func }));
    if is_over {
        end(number);
    }
}

/// `synchronize_rcu()`.
pub(crate) fn synchronize() {
    assert_may_sleep("synchronize_rcu()");
    let over = Event::default();
    let (number, is_over) = begin(Then::Wake(over.clone()));
    if is_over {
        end(number);
    }
    over.wait();
    let edges = edges();
    for ended in edges.threads() {
        edges.has_ended(ended);
    }
}

/// `rcu_barrier()`.
pub(crate) fn barrier() {
    assert_may_sleep("rcu_barrier()");
    callbacks().fetch_add(0, Ordering::Acquire);
    let over = Event::default();
    DOMAIN.with_borrow_mut(|domain| {
        if domain.pending.is_empty() {
            over.set();
        } else {
            domain.barriers.push((domain.pending.clone(), over.clone()));
        }
    });
    over.wait();
    callbacks().fetch_add(0, Ordering::Acquire);
}
