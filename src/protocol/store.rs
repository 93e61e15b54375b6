// SPDX-License-Identifier: GPL-2.0-only

//! Keys and values that readers look at without a lock while writers change them.
//!
//! | beside | get | get of several | set, delete, batch | flush | list |
//! |---|---|---|---|---|---|
//! | get | yes | yes | sees each key's old value or new one, whole | all or nothing | yes |
//! | get of several | | yes | sees all keys at one moment | all or nothing | yes |
//! | set, delete, batch | | | other stripes: yes; the same: one after the other | one after the other | yes, and the list says so |
//! | flush | | | | one after the other | the list has what was there before |
//!
//! A value is published in one step and never changed: a writer links a new one in the place of the old
//! one, which is freed after a grace period. A batch first links its new keys *hidden*, which may fail
//! for lack of memory; what comes then cannot fail: it shows them, replaces values, unlinks. So all of
//! it is done or nothing.

use crate::rcu::{self, GracePeriod, Guard, RcuArc, RcuBox, RcuPointer};
use crate::store::change::{ApplyError, Change, Condition, EntryTable};
use crate::store::quota::Quota;
use crate::store::stripes::{Credit, Lock, StripeSet, Stripes};
use kernel::alloc::{AllocError, Flags};

pub mod backlog;
pub mod change;
pub mod quota;
pub mod stripes;

/// The store's limits.
#[derive(Clone, Copy)]
pub struct Limits {
    /// How many keys there may be.
    pub entries: u64,
    /// How many bytes they and their values may have.
    pub bytes: u64,
    /// How many bytes of a stripe's old entries may wait for a grace period before a writer does.
    pub backlog: i64,
}

/// Bytes that an entry takes besides its own, as it waits for a grace period.
const OVERHEAD: i64 = 128;

/// Entries that a stripe gets at a time.
const ENTRIES_PORTION: i64 = 32;
/// Bytes that a stripe gets at a time.
const BYTES_PORTION: i64 = 64 << 10;

/// How often a reader of several keys looks again, without a lock, if they are being changed.
const ATTEMPTS: usize = 16;

/// A table, its writers' locks and its limits.
pub struct Store<T: EntryTable, L> {
    table: RcuPointer<T>,
    stripes: Stripes<L>,
    entries: Quota<L>,
    bytes: Quota<L>,
    max_backlog: i64,
}

/// What a batch adds, or takes away.
#[derive(Default, Clone, Copy)]
struct Growth {
    entries: i64,
    bytes: i64,
    /// Of the entries that are replaced or deleted.
    retired: i64,
}

impl<T: EntryTable, L: Lock> Store<T, L> {
    /// A store with this table, which is empty. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(table: T, stripes: usize, limits: Limits, flags: Flags) -> Result<Self, AllocError> {
        let stripes = Stripes::new(stripes, flags)?;
        let pointer = RcuPointer::empty();
        // Nothing was there to be retired.
        drop(pointer.replace(Some(RcuBox::new(table, flags)?)));
        Ok(Self {
            table: pointer,
            stripes,
            entries: Quota::new(limits.entries, ENTRIES_PORTION),
            bytes: Quota::new(limits.bytes, BYTES_PORTION),
            max_backlog: limits.backlog,
        })
    }

    /// Looks at what is under a key, under the RCU read-side lock. Takes no other lock, waits for nobody;
    /// `look` must not sleep.
    pub fn get<R>(&self, key: T::Key<'_>, look: impl FnOnce(Option<&T::Entry>) -> R) -> R {
        let guard = rcu::read_lock();
        look(self.find(key, &guard))
    }

    /// The stripe of a key.
    pub fn stripe(&self, key: T::Key<'_>) -> StripeSet {
        self.stripes.of(T::hash(key))
    }

    /// Looks at keys of these stripes, [`Self::find`]ing one after the other, as they are at one moment,
    /// under the RCU read-side lock. `look` is called again if one of them changes meanwhile, and must
    /// not sleep. Takes no lock, unless they change all the time.
    ///
    /// # Errors
    ///
    /// Without memory, if it has to take locks.
    pub fn get_all<R>(
        &self,
        stripes: StripeSet,
        flags: Flags,
        mut look: impl FnMut(&Guard) -> R,
    ) -> Result<R, AllocError> {
        let mut look = || look(&rcu::read_lock());
        match self.stripes.unchanged(stripes, ATTEMPTS, &mut look) {
            Some(seen) => Ok(seen),
            None => self.stripes.locked(stripes, flags, look),
        }
    }

    /// What readers see under a key.
    pub fn find<'g>(&'g self, key: T::Key<'_>, guard: &'g Guard) -> Option<&'g T::Entry> {
        let (entry, visible) = self.table.read(guard)?.get().find(key, guard)?;
        visible.get().then_some(entry)
    }

    /// The table of this moment. Its hidden entries are not for readers.
    pub fn table(&self) -> Option<RcuArc<T>> {
        let guard = rcu::read_lock();
        self.table.read(&guard).map(|table| table.to_arc())
    }

    /// As [`Stripes::version`].
    pub fn version(&self) -> u32 {
        self.stripes.version()
    }

    /// As [`Stripes::next_version`].
    pub fn next_version(&self) -> u32 {
        self.stripes.next_version()
    }

    /// Makes all changes or none; each key comes once. `on_applied` is called when they are on_applied and before
    /// another change of these keys can be, so it must not sleep. This may if `flags` do, before.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]; all is as it was.
    pub fn apply<'k, C: Condition<T::Entry>>(
        &self,
        changes: &mut [Change<'k, T, C>],
        flags: Flags,
        on_applied: impl FnOnce(&[Change<'k, T, C>]),
    ) -> Result<(), ApplyError<C::Refusal>> {
        let stripes = changes
            .iter()
            .map(|change| self.stripe(change.key))
            .fold(StripeSet::default(), StripeSet::with);
        // mutant: notify-under-lock
        let applied = self.stripes.locked(stripes, flags, || {
            let applied = self.apply_locked(stripes, changes);
            if applied.is_ok() {
                on_applied(changes);
            }
            applied
        });
        for change in changes {
            if let Some(removed) = change.removed.take() {
                T::free_later(removed);
            }
        }
        if let Some(grace_period) = applied?? {
            // mutant: wait-for-backlog
            grace_period.wait();
        }
        Ok(())
    }

    /// [`Self::apply`], with the changes' stripes locked. The result is what to wait for, with no lock.
    fn apply_locked<C: Condition<T::Entry>>(
        &self,
        stripes: StripeSet,
        changes: &mut [Change<'_, T, C>],
    ) -> Result<Option<GracePeriod>, ApplyError<C::Refusal>> {
        let guard = rcu::read_lock();
        // A flush needs the stripes: the table stays.
        let (Some(table), Some(credit)) = (self.table.read(&guard), self.stripes.credit(stripes))
        else {
            return Ok(None);
        };
        let table = table.get();
        let growth = check(table, changes, &guard)?;
        self.reserve(growth, credit)?;
        let linked = match changes {
            [only] => self.stripes.change(stripes, || only.apply(table)),
            batch => link_hidden(table, batch).inspect(|()| {
                self.stripes.change(stripes, || {
                    for change in batch {
                        change.apply_linked(table, &guard);
                    }
                });
            }),
        };
        if let Err(error) = linked {
            // mutant: release-after-failure
            self.release(growth, credit);
            return Err(ApplyError::Table(error));
        }
        self.release(
            Growth {
                // mutant: release-deleted
                entries: growth.entries.min(0).saturating_neg(),
                bytes: growth.bytes.min(0).saturating_neg(),
                retired: 0,
            },
            credit,
        );
        let backlog = self.stripes.backlog(stripes);
        Ok(backlog.and_then(|backlog| backlog.add(growth.retired, self.max_backlog)))
    }

    /// Takes what a batch adds from the limits.
    fn reserve<R>(&self, growth: Growth, credit: &Credit) -> Result<(), ApplyError<R>> {
        let entries = || self.stripes.credits().map(|credit| &credit.entries);
        let bytes = || self.stripes.credits().map(|credit| &credit.bytes);
        if !self.entries.take(growth.entries, &credit.entries, entries) {
            return Err(ApplyError::TooManyEntries);
        }
        if !self.bytes.take(growth.bytes, &credit.bytes, bytes) {
            self.entries.give(growth.entries, &credit.entries);
            return Err(ApplyError::TooManyBytes);
        }
        Ok(())
    }

    /// Gives back what is positive of it.
    fn release(&self, growth: Growth, credit: &Credit) {
        self.entries.give(growth.entries, &credit.entries);
        self.bytes.give(growth.bytes, &credit.bytes);
    }

    /// Deletes all keys at once, by putting this empty table in the place of the one that is there. `on_applied`
    /// is as for [`Self::apply`]. May sleep, until the last reader of now is done.
    ///
    /// # Errors
    ///
    /// Without memory; all is as it was.
    pub fn flush(
        &self,
        empty: T,
        flags: Flags,
        on_applied: impl FnOnce(),
    ) -> Result<(), AllocError> {
        let empty = RcuBox::new(empty, flags)?;
        let all = self.stripes.all();
        // mutant: flush-lock
        let replaced = self.stripes.locked(all, flags, || {
            let replaced = self.stripes.change(all, || self.table.replace(Some(empty)));
            let credits = || self.stripes.credits();
            // mutant: release-flushed
            self.entries
                .give_all(credits().map(|credit| &credit.entries));
            self.bytes.give_all(credits().map(|credit| &credit.bytes));
            on_applied();
            replaced
        })?;
        // With no lock held: it waits for a grace period. Lists may keep the table for longer.
        drop(replaced);
        Ok(())
    }
}

/// Checks all conditions, and notes what is there.
fn check<T: EntryTable, C: Condition<T::Entry>>(
    table: &T,
    changes: &mut [Change<'_, T, C>],
    guard: &Guard,
) -> Result<Growth, ApplyError<C::Refusal>> {
    let mut growth = Growth::default();
    for (index, change) in changes.iter_mut().enumerate() {
        let current = table.find(change.key, guard).map(|(entry, _)| entry);
        change
            .condition
            .check(current)
            .map_err(|refusal| ApplyError::Condition(index, refusal))?;
        change.is_present = current.is_some();
        let new = change.new_entry.as_ref().map(|entry| T::unlinked(entry).0);
        growth.entries += i64::from(new.is_some()) - i64::from(change.is_present);
        growth.bytes += size::<T>(new) - size::<T>(current);
        if change.is_present {
            growth.retired += size::<T>(current) + OVERHEAD;
        }
    }
    Ok(growth)
}

fn size<T: EntryTable>(entry: Option<&T::Entry>) -> i64 {
    entry.map_or(0, |entry| i64::try_from(T::size(entry)).unwrap_or(i64::MAX))
}

/// Links a batch's new keys where no reader sees them, all or none.
fn link_hidden<T: EntryTable, C>(
    table: &T,
    batch: &mut [Change<'_, T, C>],
) -> Result<(), kernel::error::Error> {
    let mut result = Ok(());
    for change in batch.iter_mut() {
        result = change.link_hidden(table);
        if result.is_err() {
            break;
        }
    }
    if result.is_err() {
        for change in batch {
            change.unlink_hidden(table);
        }
    }
    result
}
