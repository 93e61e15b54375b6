// SPDX-License-Identifier: GPL-2.0-only

//! Who reads whose answer.
//!
//! Many shells use one file at once, and each wants the answer to *its* previous command, though the
//! process that wrote (`/bin/echo`, `sudo tee`) and the one that reads (`cat`) are rarely the same. So
//! an answer is kept with its writer's lineage, and a reader gets, in this order:
//!
//! 1. the answer of its own process, else of the nearest ancestor that wrote one;
//! 2. else the latest of a relative: a writer that descends from it, else from an ancestor of it, the
//!    nearest first;
//! 3. else the latest of all.
//!
//! (What comes before all this, the answer written through the same open file, stays with that file.)
//!
//! StoredAnswer in a fixed number of slots and a bounded number of bytes; the oldest answers go first. Slots
//! are read and replaced without a lock.

use core::cmp::Reverse;

use crate::rcu::{self, Guard, RcuBox, RcuPointer, Ref};
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// A process, told apart from later ones with the same id by its start time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Thread group id in the initial pid namespace.
    pub tgid: i32,
    /// Start of the thread group's leader, in ns since boot.
    pub start: u64,
}

/// How many generations of a process are remembered, itself included.
pub const GENERATIONS: usize = 8;

/// The process that leads all others, and so says nothing about kinship.
const INIT_TGID: i32 = 1;

/// A process and its ancestors, itself first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lineage {
    processes: [Process; GENERATIONS],
    len: usize,
}

impl Lineage {
    /// A process without known ancestors.
    pub fn of(process: Process) -> Self {
        Self {
            processes: [process; GENERATIONS],
            len: 1,
        }
    }

    /// Adds the parent of the oldest process so far; ignored beyond [`GENERATIONS`].
    pub fn push_parent(&mut self, parent: Process) {
        if let Some(slot) = self.processes.get_mut(self.len) {
            *slot = parent;
            self.len += 1;
        }
    }

    fn all(&self) -> &[Process] {
        self.processes.get(..self.len).unwrap_or(&self.processes)
    }

    fn own(&self) -> Process {
        let [own, ..] = self.processes;
        own
    }

    fn ancestors(&self) -> &[Process] {
        self.all().get(1..).unwrap_or(&[])
    }

    /// How far a writer is from this reader, for the order in the file's head: smaller is nearer.
    fn distance(&self, writer: &Lineage) -> usize {
        let own_line = self
            .all()
            .iter()
            .position(|process| *process == writer.own());
        let relative = || {
            let shares = |process: &Process| {
                process.tgid != INIT_TGID && writer.ancestors().contains(process)
            };
            Some(GENERATIONS + self.all().iter().position(shares)?)
        };
        own_line.or_else(relative).unwrap_or(2 * GENERATIONS)
    }
}

/// What is kept of an answer.
pub trait Payload: Send + Sync + 'static {
    /// Bytes of memory that it takes.
    fn size(&self) -> usize;
}

struct StoredAnswer<A> {
    writer: Lineage,
    /// Place in the order of all answers.
    number: u64,
    answer: Arc<A>,
}

/// A slot, and what was found in it.
type SlotAndContent<'g, A> = (
    &'g RcuPointer<StoredAnswer<A>>,
    Option<Ref<'g, StoredAnswer<A>>>,
);

/// A place for one answer, allocated ahead, so that [`Answers::publish`] cannot fail once a command is
/// done.
pub struct Prepared<A>(RcuBox<StoredAnswer<A>>);

impl<A: Payload> Prepared<A> {
    /// `answer` stands in for the one that is not known yet. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(answer: Arc<A>, flags: Flags) -> Result<Self, AllocError> {
        let nobody = Process { tgid: 0, start: 0 };
        let kept = StoredAnswer {
            writer: Lineage::of(nobody),
            number: 0,
            answer,
        };
        Ok(Self(RcuBox::new(kept, flags)?))
    }
}

/// The latest answers.
pub struct Answers<A> {
    slots: KVVec<RcuPointer<StoredAnswer<A>>>,
    /// Number of the latest answer.
    latest: Atomic<u64>,
    /// Bytes of the payloads in all slots. What comes is added once it is in its slot, what goes
    /// subtracted once it is out: too little for a moment (even below 0), since too much would evict
    /// answers that fit.
    bytes: Atomic<i64>,
    max_bytes: i64,
}

impl<A: Payload> Answers<A> {
    /// Room for `slots` writers and about `max_bytes` of payload: one answer may be larger and is
    /// kept until the next. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(slots: usize, max_bytes: u64, flags: Flags) -> Result<Self, AllocError> {
        let mut empty = KVVec::with_capacity(slots, flags)?;
        for _ in 0..slots {
            empty.push(RcuPointer::empty(), flags)?;
        }
        Ok(Self {
            slots: empty,
            latest: Atomic::new(0),
            bytes: Atomic::new(0),
            max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
        })
    }

    /// Keeps `answer` as the latest of `lineage`'s process, instead of its previous one. Takes no
    /// lock.
    pub fn publish(&self, prepared: Prepared<A>, lineage: Lineage, answer: Arc<A>) {
        let size = answer.size() as i64;
        let number = self.latest.fetch_add(1, Relaxed) + 1;
        let writer = lineage.own();
        let mut kept = prepared.0;
        *kept = StoredAnswer {
            writer: lineage,
            number,
            answer,
        };
        loop {
            let guard = rcu::read_lock();
            let slot = self.slot_for(writer, &guard).filter(|(_, found)| {
                // Another thread of the same process may have written a later command.
                !found.is_some_and(|found| found.writer.own() == writer && found.number > number)
            });
            let Some((slot, found)) = slot else { return };
            match slot.compare_replace(found, Some(kept)) {
                Ok(old) => {
                    drop(guard);
                    // mutant: uncount-replaced
                    self.forget(old);
                    // mutant: count-published
                    self.bytes.add(size, Relaxed);
                    break;
                }
                // Another writer took the slot first; its answer must not be lost: look again.
                // mutant: retry-publish
                Err(Some(back)) => kept = back,
                Err(None) => return,
            }
        }
        self.shrink(number);
    }

    /// The answer that `reader` should see, if there is any. Takes no lock, does not sleep.
    pub fn find(&self, reader: &Lineage) -> Option<Arc<A>> {
        let guard = rcu::read_lock();
        self.slots
            .iter()
            .filter_map(|slot| slot.read(&guard))
            .min_by_key(|kept| (reader.distance(&kept.writer), Reverse(kept.number)))
            .map(|kept| kept.answer.clone())
    }

    /// The slot for a new answer of `writer`: the one of its previous answer, else an empty one, else
    /// the oldest.
    fn slot_for<'g>(&'g self, writer: Process, guard: &'g Guard) -> Option<SlotAndContent<'g, A>> {
        let mut oldest = None;
        let mut oldest_number = u64::MAX;
        for slot in &self.slots {
            let found = slot.read(guard);
            let number = found.map_or(0, |kept| kept.number);
            if found.is_some_and(|kept| kept.writer.own() == writer) {
                return Some((slot, found));
            }
            if number < oldest_number {
                oldest_number = number;
                oldest = Some((slot, found));
            }
        }
        oldest
    }

    /// Drops the oldest answers, but never that of `number`, until the rest fits.
    fn shrink(&self, number: u64) {
        while self.bytes.load(Relaxed) > self.max_bytes {
            let guard = rcu::read_lock();
            let kept =
                |slot: &'_ RcuPointer<StoredAnswer<A>>| slot.read(&guard).map(|kept| kept.number);
            let oldest = self
                .slots
                .iter()
                .filter_map(|slot| Some((kept(slot).filter(|kept| *kept < number)?, slot)))
                .min_by_key(|(number, _)| *number);
            let Some((_, slot)) = oldest else { return };
            let found = slot.read(&guard);
            // Another one may have replaced it by a later answer meanwhile: look again.
            if found.is_some_and(|found| found.number < number) {
                if let Ok(old) = slot.compare_replace(found, None) {
                    drop(guard);
                    self.forget(old);
                }
            }
        }
    }

    fn forget(&self, old: Option<rcu::Retired<StoredAnswer<A>>>) {
        if let Some(old) = old {
            self.bytes.fetch_sub(old.answer.size() as i64, Relaxed);
            old.free_later();
        }
    }
}
