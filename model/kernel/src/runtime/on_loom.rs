// SPDX-License-Identifier: GPL-2.0-only

//! Loom's threads.
//!
//! Loom runs the threads of an execution in turn on one real thread and switches between them only at
//! operations on its own objects. So the bookkeeping in a [`shared`] is atomic with the operation before
//! it, and does not add a happens-before edge that could hide a missing one in the code under test.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Mutex, MutexGuard};
use loom::thread::{self, Thread};
use std::any::Any;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard as StdMutexGuard, PoisonError};

pub(crate) use loom::sync::atomic;

/// Declares bookkeeping of one execution.
macro_rules! shared {
    ($name:ident: $type:ty) => {
        thread_local!(static $name: std::cell::RefCell<$type> =
            std::cell::RefCell::new(<$type>::default()));
    };
}
pub(crate) use shared;

shared!(THREADS: Vec<loom::thread::ThreadId>);

/// Returns a small number that identifies the running thread in this execution.
pub(crate) fn current_thread() -> usize {
    let id = thread::current().id();
    THREADS.with_borrow_mut(|threads| {
        threads
            .iter()
            .position(|known| *known == id)
            .unwrap_or_else(|| {
                threads.push(id);
                threads.len() - 1
            })
    })
}

shared!(FAILURE: Option<Box<dyn Any + Send>>);

/// Runs a check. An RCU callback is a C function and must not unwind, so the panic of a failed check in it
/// is kept for [`resume_failure`].
fn check<R: Default>(check: impl FnOnce() -> R) -> R {
    if !crate::grace_period::in_callback() {
        return check();
    }
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|failure| {
        FAILURE.with_borrow_mut(|kept| {
            kept.get_or_insert(failure);
        });
        R::default()
    })
}

/// Resumes the panic of a check that failed in a callback.
pub(crate) fn resume_failure() {
    let failure = FAILURE.with_borrow_mut(Option::take);
    if let Some(failure) = failure {
        resume_unwind(failure);
    }
}

/// Resets the state of the previous execution.
pub(crate) fn start_execution() {
    THREADS.with_borrow_mut(Vec::clear);
    blocks::start_execution();
}

/// A thread that was started by [`spawn`].
///
/// (Loom's own handle prints a line each time that it is joined.)
pub struct Spawned<T> {
    result: Arc<StdMutex<Option<T>>>,
    ended: Event,
    happened: Arc<AtomicUsize>,
}

/// Starts a thread of this execution.
pub fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> Spawned<T> {
    let spawned = Spawned {
        result: Arc::new(StdMutex::new(None)),
        ended: Event::default(),
        happened: Arc::new(AtomicUsize::new(0)),
    };
    let (result, ended) = (spawned.result.clone(), spawned.ended.clone());
    let happened = spawned.happened.clone();
    thread::spawn(move || {
        let value = f();
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        happened.fetch_add(1, Ordering::Release);
        ended.set();
    });
    spawned
}

impl<T> Spawned<T> {
    /// Waits for the end of the thread and returns its result.
    ///
    /// # Panics
    ///
    /// If the thread panicked.
    pub fn join(self) -> T {
        self.ended.wait();
        self.happened.fetch_add(0, Ordering::Acquire);
        let result = self
            .result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        result.expect("a thread that ends leaves its result")
    }
}

/// A lock without data.
#[derive(Default)]
pub(crate) struct RawMutex(Mutex<()>);

pub(crate) type RawGuard<'a> = MutexGuard<'a, ()>;

impl RawMutex {
    pub(crate) fn lock(&self) -> RawGuard<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn try_lock(&self) -> Option<RawGuard<'_>> {
        self.0.try_lock().ok()
    }
}

/// An event that happens once and that one thread waits for. Everything before [`Event::set`] happens
/// before what follows [`Event::wait`].
#[derive(Clone, Default)]
pub(crate) struct Event(Arc<StdMutex<EventState>>);

#[derive(Default)]
struct EventState {
    happened: bool,
    waiter: Option<Thread>,
}

impl Event {
    fn state(&self) -> StdMutexGuard<'_, EventState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self) {
        self.state().happened = true;
        let waiter = self.state().waiter.take();
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    pub(crate) fn wait(&self) {
        loop {
            let mut state = self.state();
            if state.happened {
                return;
            }
            state.waiter = Some(thread::current());
            // Parking switches threads.
            drop(state);
            thread::park();
        }
    }
}

/// The happens-before edges that RCU guarantees, and no others: from what an updater did before it asked
/// the reader's thread to a reader that begins after that, and from what a reader did to what the updater
/// does after it has learned that the reader ended. A reader releases nothing at its begin and acquires
/// nothing at its end.
///
/// (One edge is in excess: two updaters that ask the same thread are ordered. The updaters of the protocol
/// are ordered by stronger means.)
#[derive(Clone)]
pub(crate) struct ReaderEdges(Arc<Vec<AtomicUsize>>);

impl Default for ReaderEdges {
    fn default() -> Self {
        let per_thread = || AtomicUsize::new(0);
        Self(Arc::new(
            (0..loom::MAX_THREADS).map(|_| per_thread()).collect(),
        ))
    }
}

impl ReaderEdges {
    /// Returns the threads that must be asked one by one.
    pub(crate) fn threads(&self) -> std::ops::Range<usize> {
        0..self.0.len()
    }

    pub(crate) fn is_asked(asked: usize, thread: usize) -> bool {
        asked == thread
    }

    pub(crate) fn reader_begins(&self, thread: usize) {
        self.0[thread].fetch_add(1, Ordering::Acquire);
    }

    pub(crate) fn reader_ends(&self, thread: usize) {
        self.0[thread].fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn ask(&self, thread: usize) {
        self.0[thread].fetch_add(0, Ordering::AcqRel);
    }

    pub(crate) fn has_ended(&self, thread: usize) {
        self.0[thread].fetch_add(0, Ordering::Acquire);
    }
}

/// Checks of heap blocks: each access is ordered after the accesses that it depends on, no block is used
/// after it was freed, and none is leaked.
pub(crate) mod blocks {
    use super::check;
    use loom::cell::UnsafeCell;
    use std::collections::HashMap;

    /// The value that freed memory is filled with (the kernel's `POISON_FREE`).
    const POISON: u8 = 0x6b;

    struct Block {
        bytes: usize,
        live: bool,
        accesses: UnsafeCell<()>,
    }

    shared!(BLOCKS: HashMap<usize, Block>);

    pub(super) fn start_execution() {
        BLOCKS.with_borrow_mut(|blocks| {
            for (address, block) in blocks.drain() {
                // A block that an execution leaked may still be referenced, so it is kept.
                if !block.live {
                    crate::heap::give_back(address, block.bytes);
                }
            }
        });
    }

    /// Panics if a block is still allocated.
    pub(crate) fn assert_none_left() {
        let left: usize =
            BLOCKS.with_borrow_mut(|blocks| blocks.values().filter(|b| b.live).count());
        assert!(
            left == 0,
            "{left} heap blocks leaked: free them before the execution ends"
        );
    }

    pub(crate) fn created(address: usize, bytes: usize) {
        let block = Block {
            bytes,
            live: true,
            accesses: UnsafeCell::new(()),
        };
        BLOCKS.with_borrow_mut(|blocks| blocks.insert(address, block));
    }

    fn with_live<R>(address: usize, access: impl FnOnce(&mut Block) -> R) -> R {
        BLOCKS.with_borrow_mut(|blocks| match blocks.get_mut(&address) {
            Some(block) if block.live => access(block),
            Some(_) => panic!("use of a heap block that was freed"),
            None => panic!("use of an address that is no heap block ({address:#x})"),
        })
    }

    pub(crate) fn read(address: usize) {
        check(|| with_live(address, |block| block.accesses.with(|_| ())));
    }

    pub(crate) fn written(address: usize) {
        check(|| with_live(address, |block| block.accesses.with_mut(|_| ())));
    }

    /// Tells whether the memory may be freed now: never before the end of the execution, so that a stale
    /// pointer finds poison and not another block.
    pub(crate) fn freed(address: usize) -> bool {
        let bytes = check(|| {
            with_live(address, |block| {
                block.accesses.with_mut(|_| ());
                block.live = false;
                block.bytes
            })
        });
        // SAFETY: The block is `bytes` long and was live until now, and its owner gives it up.
        unsafe { std::ptr::write_bytes(address as *mut u8, POISON, bytes) };
        false
    }
}
