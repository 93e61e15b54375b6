// SPDX-License-Identifier: GPL-2.0-only

//! The answers to commands, and which reader gets which answer.

use crate::lineage::{Ancestry, PartOfLine, Process, Relation, Writer};
use crate::rcu::{self, Guard, RcuBox, RcuPointer, Ref};
use core::cmp::Reverse;
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

/// The content of an answer.
pub trait Payload: Send + Sync + 'static {
    /// Returns the bytes of memory that the content takes.
    fn size(&self) -> usize;
}

/// An answer in its slot. It does not change.
struct StoredAnswer<A> {
    writer: Writer,
    /// The user that the writer was.
    user: u32,
    /// Position in the order of all answers, from 1.
    number: u64,
    answer: Arc<A>,
}

/// Which answers a reader may get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visible {
    /// Those of all writers.
    All,
    /// Those of writers that are the same user, in its own line or relatives.
    OfRelatives {
        /// The user that the reader is.
        user: u32,
    },
}

/// A slot and the answer that a reader found in it.
type SlotAndContent<'g, A> = (
    &'g RcuPointer<StoredAnswer<A>>,
    Option<Ref<'g, StoredAnswer<A>>>,
);

/// An answer that a reader may get. The nearest writer's is the best, and then the latest.
type Candidate<'g, A> = ((Relation, Reverse<u64>), Ref<'g, StoredAnswer<A>>);

/// Memory for one answer, allocated before the command is executed, so that [`Answers::publish`] cannot
/// fail after it.
pub struct Prepared<A>(RcuBox<StoredAnswer<A>>);

impl<A: Payload> Prepared<A> {
    /// Allocates the memory for an answer to `writer`. `answer` is a placeholder, which no reader gets. May sleep
    /// if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(writer: &impl Ancestry, answer: Arc<A>, flags: Flags) -> Result<Self, AllocError> {
        let stored = StoredAnswer {
            writer: Writer::nobody(),
            user: 0,
            number: 0,
            answer,
        };
        let mut prepared = Self(RcuBox::new(stored, flags)?);
        prepared.0.writer.reserve(writer, flags)?;
        Ok(prepared)
    }

    /// Makes room for all ancestors of `writer`, which may be another process than before. If memory is exhausted, there
    /// is room for the nearest ones only. May sleep if `flags` allow it.
    pub fn prepare_for(&mut self, writer: &impl Ancestry, flags: Flags) {
        // The answer itself must not be lost for this.
        let _ = self.0.writer.reserve(writer, flags);
    }
}

/// The latest answers of many writers.
///
/// Many shells use one file at the same time, and each expects the answer to *its* previous command,
/// although the process that writes (`/bin/echo`, `sudo tee`) and the process that reads (`cat`) are
/// rarely the same. An answer is therefore stored with its writer and the writer's ancestors, and a reader gets, in
/// this order of preference:
///
/// 1. the answer of its own process, or of its nearest ancestor that wrote a command, however many generations up;
/// 2. the latest answer of a relative: of a writer that descends from the reader, or else from an
///    ancestor of the reader, the nearest ancestor first. Both may be [`KEPT_ANCESTORS`] generations away from it;
/// 3. the latest answer of all, if the caller wants that.
///
/// [`KEPT_ANCESTORS`]: crate::lineage::KEPT_ANCESTORS
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
/// use protocol::answers::{Answers, Payload, Prepared, Visible};
/// use protocol::lineage::{Ancestry, Process};
///
/// struct Text(&'static str);
///
/// impl Payload for Text {
///     fn size(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// /// The ids of a process and of its ancestors.
/// struct Line<'a>(&'a [i32]);
///
/// impl Ancestry for Line<'_> {
///     fn walk(&self, mut visit: impl FnMut(Process) -> bool) {
///         let mut processes = self.0.iter().map(|tgid| Process { tgid: *tgid, start: 0 });
///         while processes.next().is_some_and(&mut visit) {}
///     }
/// }
///
/// let answers = Answers::new(16, 4096, GFP_KERNEL).unwrap();
/// // Two shells, 100 and 200, run `/bin/echo` and then `cat`.
/// for (line, text) in [([101, 100], "one"), ([201, 200], "two")] {
///     let answer = Arc::new(Text(text), GFP_KERNEL).unwrap();
///     let prepared = Prepared::new(&Line(&line), answer.clone(), GFP_KERNEL).unwrap();
///     answers.publish(prepared, &Line(&line), 0, answer);
/// }
/// let found = |line| answers.find(&Line(line), Visible::All).unwrap().0;
/// assert_eq!(found(&[102, 100]), "one");
/// assert_eq!(found(&[202, 200]), "two");
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

    /// Stores `answer` as the latest answer of `writer`, in place of its previous one. `user` is the user that it is.
    /// Takes no lock and does not sleep.
    pub fn publish(
        &self,
        prepared: Prepared<A>,
        writer: &impl Ancestry,
        user: u32,
        answer: Arc<A>,
    ) {
        let size = answer.size() as i64;
        let number = self.latest.fetch_add(1, Relaxed) + 1;
        let mut kept = prepared.0;
        kept.writer.set(writer);
        kept.user = user;
        kept.number = number;
        kept.answer = answer;
        let writer = kept.writer.process();
        loop {
            let guard = rcu::read_lock();
            let slot = self.slot_for(writer, &guard).filter(|(_, found)| {
                // Another thread of the writer's process may have stored a later answer.
                !found
                    .is_some_and(|found| found.writer.process() == writer && found.number > number)
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
    pub fn find(&self, reader: &impl Ancestry, visible: Visible) -> Option<Arc<A>> {
        let guard = rcu::read_lock();
        let visible_to_reader = |kept: &Ref<'_, StoredAnswer<A>>| match visible {
            Visible::All => true,
            Visible::OfRelatives { user } => kept.user == user,
        };
        let kept = || {
            let all = self.slots.iter().filter_map(|slot| slot.read(&guard));
            all.filter(visible_to_reader)
        };
        let mut nearest: Option<Candidate<'_, A>> = None;
        let mut look = |part: &PartOfLine| {
            for kept in kept() {
                if let Some(relation) = part.relation_to(&kept.writer) {
                    let order = (relation, Reverse(kept.number));
                    if nearest.is_none_or(|(best, _)| order < best) {
                        nearest = Some((order, kept));
                    }
                }
            }
            // After a relative was found, a farther ancestor may still have written itself.
            !matches!(nearest, Some(((Relation::OwnLine(_), _), _)))
        };
        let mut part = PartOfLine::new();
        reader.walk(|process| {
            part.push(process);
            let goes_on = !part.is_full() || look(&part);
            if part.is_full() {
                part.advance();
            }
            goes_on
        });
        look(&part);
        let found = match (nearest, visible) {
            (Some((_, kept)), _) => Some(kept),
            (None, Visible::All) => kept().max_by_key(|kept| kept.number),
            (None, Visible::OfRelatives { .. }) => None,
        };
        found.map(|kept| kept.answer.clone())
    }

    /// Returns the slot for a new answer of `writer`: that of its previous answer, or else an empty one,
    /// or else the one with the oldest answer.
    fn slot_for<'g>(&'g self, writer: Process, guard: &'g Guard) -> Option<SlotAndContent<'g, A>> {
        let mut oldest = None;
        let mut oldest_number = u64::MAX;
        for slot in &self.slots {
            let found = slot.read(guard);
            let number = found.map_or(0, |kept| kept.number);
            if found.is_some_and(|kept| kept.writer.process() == writer) {
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
