// SPDX-License-Identifier: GPL-2.0-only

//! The answers to commands, and which reader gets which answer.

use crate::rcu::{self, Guard, RcuBox, RcuPointer, Ref};
use core::cmp::Reverse;
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// A process, identified by its id and its start time, since ids are reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Thread group id in the initial pid namespace.
    pub tgid: i32,
    /// Start time of the thread group's leader, in ns since boot.
    pub start: u64,
}

/// The number of generations in a [`Lineage`], including the process itself.
pub const GENERATIONS: usize = 8;

/// The init process. As the ancestor of all processes it does not make two of them relatives.
const INIT_TGID: i32 = 1;

/// A process and its ancestors, itself first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lineage {
    processes: [Process; GENERATIONS],
    len: usize,
}

impl Lineage {
    /// Creates the lineage of a process without known ancestors.
    pub fn of(process: Process) -> Self {
        Self {
            processes: [process; GENERATIONS],
            len: 1,
        }
    }

    /// Adds the parent of the oldest process in the lineage. Does nothing if it has [`GENERATIONS`].
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

    /// Returns the distance of a writer from this reader, in the order described at [`Answers`].
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

/// The content of an answer.
pub trait Payload: Send + Sync + 'static {
    /// Returns the bytes of memory that the content takes.
    fn size(&self) -> usize;
}

/// An answer in its slot. It does not change.
struct StoredAnswer<A> {
    writer: Lineage,
    /// Position in the order of all answers, from 1.
    number: u64,
    answer: Arc<A>,
}

/// A slot and the answer that a reader found in it.
type SlotAndContent<'g, A> = (
    &'g RcuPointer<StoredAnswer<A>>,
    Option<Ref<'g, StoredAnswer<A>>>,
);

/// Memory for one answer, allocated before the command is executed, so that [`Answers::publish`] cannot
/// fail after it.
pub struct Prepared<A>(RcuBox<StoredAnswer<A>>);

impl<A: Payload> Prepared<A> {
    /// Allocates the memory. `answer` is a placeholder, which no reader gets. May sleep if `flags` allow
    /// it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
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

/// The latest answers of many writers.
///
/// Many shells use one file at the same time, and each expects the answer to *its* previous command,
/// although the process that writes (`/bin/echo`, `sudo tee`) and the process that reads (`cat`) are
/// rarely the same. An answer is therefore stored with its writer's [`Lineage`], and a reader gets, in
/// this order of preference:
///
/// 1. the answer of its own process, or of its nearest ancestor that wrote a command;
/// 2. the latest answer of a relative: of a writer that descends from the reader, or else from an
///    ancestor of the reader, the nearest ancestor first;
/// 3. the latest answer of all.
///
/// (The answer to a command that was written through the same open file takes precedence over all of
/// these and is stored in that file.)
///
/// There is a fixed number of slots, one for each writer, and a bound on the bytes of all answers; the
/// oldest answers are evicted first. Readers and writers take no lock: a slot is an [`RcuPointer`], which
/// a writer replaces by compare-and-exchange.
///
/// # Examples
///
/// ```
/// use kernel::alloc::flags::GFP_KERNEL;
/// use kernel::sync::Arc;
/// use protocol::answers::{Answers, Lineage, Payload, Prepared, Process};
///
/// struct Text(&'static str);
///
/// impl Payload for Text {
///     fn size(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// let process = |tgid| Process { tgid, start: 0 };
/// let child_of = |shell, tgid| {
///     let mut lineage = Lineage::of(process(tgid));
///     lineage.push_parent(process(shell));
///     lineage
/// };
///
/// let answers = Answers::new(16, 4096, GFP_KERNEL).unwrap();
/// // Two shells, 100 and 200, run `/bin/echo` and then `cat`.
/// for (shell, echo, text) in [(100, 101, "one"), (200, 201, "two")] {
///     let answer = Arc::new(Text(text), GFP_KERNEL).unwrap();
///     let prepared = Prepared::new(answer.clone(), GFP_KERNEL).unwrap();
///     answers.publish(prepared, child_of(shell, echo), answer);
/// }
/// assert_eq!(answers.find(&child_of(100, 102)).unwrap().0, "one");
/// assert_eq!(answers.find(&child_of(200, 202)).unwrap().0, "two");
/// ```
pub struct Answers<A> {
    slots: KVVec<RcuPointer<StoredAnswer<A>>>,
    /// The number of the latest answer.
    latest: Atomic<u64>,
    /// Bytes of the payloads in all slots. An answer's bytes are added after it is stored and subtracted
    /// after it is removed. So the count may be too small for a moment, even negative; a count that is
    /// too large would evict answers that fit.
    bytes: Atomic<i64>,
    max_bytes: i64,
}

impl<A: Payload> Answers<A> {
    /// Creates room for `slots` writers and about `max_bytes` of payload: one answer may be larger and is
    /// kept until the next one. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
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

    /// Stores `answer` as the latest answer of the first process of `lineage`, in place of its previous
    /// one. Takes no lock and does not sleep.
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
                // Another thread of the writer's process may have stored a later answer.
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
                // Another writer took the slot first, and its answer must not be lost: look again.
                // mutant: retry-publish
                Err(Some(back)) => kept = back,
                Err(None) => return,
            }
        }
        self.shrink(number);
    }

    /// Returns the answer that `reader` gets, if there is one. Takes no lock and does not sleep.
    pub fn find(&self, reader: &Lineage) -> Option<Arc<A>> {
        let guard = rcu::read_lock();
        self.slots
            .iter()
            .filter_map(|slot| slot.read(&guard))
            .min_by_key(|kept| (reader.distance(&kept.writer), Reverse(kept.number)))
            .map(|kept| kept.answer.clone())
    }

    /// Returns the slot for a new answer of `writer`: that of its previous answer, or else an empty one,
    /// or else the one with the oldest answer.
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

    /// Removes the oldest answers, but not the one with this number or later ones, until the rest fits.
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
            // A writer may have replaced the answer by a later one since: look again.
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
