// SPDX-License-Identifier: GPL-2.0-only

//! A store of keys and values that readers look at without a lock while writers change them.
//!
//! | may run concurrently | get | get of several | set, delete, batch | flush | list |
//! |---|---|---|---|---|---|
//! | get | yes | yes | sees each key's old value or new one, whole | all or nothing | yes |
//! | get of several | | yes | sees all keys at one moment | all or nothing | yes |
//! | set, delete, batch | | | other stripes: yes; the same: one after the other | one after the other | yes, and the list reports it |
//! | flush | | | | one after the other | the list has the entries from before the flush |

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
    /// The maximum number of keys.
    pub entries: u64,
    /// The maximum number of bytes of all keys and values.
    pub bytes: u64,
    /// The number of bytes of a stripe's replaced entries that may wait for a grace period before a writer
    /// to that stripe waits for it too.
    pub backlog: i64,
}

/// Bytes of memory that an entry takes in addition to its own while it waits for a grace period.
const OVERHEAD: i64 = 128;

/// Entries that a stripe gets from the quota's pool at a time.
const ENTRIES_PORTION: i64 = 32;
/// Bytes that a stripe gets from the quota's pool at a time.
const BYTES_PORTION: i64 = 64 << 10;

/// The number of attempts of a reader of several keys before it takes the locks of their stripes.
const ATTEMPTS: usize = 16;

/// A table of entries with the locks of its writers and its limits.
///
/// Readers ([`Self::get`], [`Self::get_all`], [`Self::find`]) hold the RCU read-side lock and take no other
/// lock. An entry is published in one step and never changes: a writer links a new entry in the place of
/// the old one, which is freed after a grace period.
///
/// Writers ([`Self::apply`]) hold the locks of the [`stripes`] of their keys. A batch is applied as a whole
/// or not at all: it first links its new keys as *hidden* entries, which may fail for lack of memory. The
/// remaining steps cannot fail: they make these entries visible, replace the values of existing keys and
/// unlink deleted ones, while the generations of the stripes are odd.
///
/// A flush publishes an empty table under the locks of all stripes.
///
/// `model/src/table.rs` is a small example of a table and its locks.
pub struct Store<T: EntryTable, L> {
    table: RcuPointer<T>,
    stripes: Stripes<L>,
    entries: Quota<L>,
    bytes: Quota<L>,
    max_backlog: i64,
}

/// The difference that a batch makes.
#[derive(Default, Clone, Copy)]
struct Growth {
    entries: i64,
    bytes: i64,
    /// Bytes of the entries that are replaced or deleted, with their overhead.
    retired: i64,
}

impl<T: EntryTable, L: Lock> Store<T, L> {
    /// Creates a store with this empty table. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(table: T, stripes: usize, limits: Limits, flags: Flags) -> Result<Self, AllocError> {
        let stripes = Stripes::new(stripes, flags)?;
        let pointer = RcuPointer::empty();
        // The pointer was empty: there is nothing to retire.
        drop(pointer.replace(Some(RcuBox::new(table, flags)?)));
        Ok(Self {
            table: pointer,
            stripes,
            entries: Quota::new(limits.entries, ENTRIES_PORTION),
            bytes: Quota::new(limits.bytes, BYTES_PORTION),
            max_backlog: limits.backlog,
        })
    }

    /// Calls `look` with the entry of a key under the RCU read-side lock. Takes no other lock and does not
    /// wait; `look` must not sleep.
    pub fn get<R>(&self, key: T::Key<'_>, look: impl FnOnce(Option<&T::Entry>) -> R) -> R {
        let guard = rcu::read_lock();
        look(self.find(key, &guard))
    }

    /// Returns the stripe of a key.
    pub fn stripe(&self, key: T::Key<'_>) -> StripeSet {
        self.stripes.of(T::hash(key))
    }

    /// Calls `look` under the RCU read-side lock so that what it finds by [`Self::find`] in these stripes is
    /// the state at one moment. `look` must not sleep and is called again if a key of the stripes changes
    /// during the call. Takes the locks of the stripes only after several such attempts.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if it needs the locks and memory is exhausted.
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

    /// Returns the entry that readers see for a key.
    pub fn find<'g>(&'g self, key: T::Key<'_>, guard: &'g Guard) -> Option<&'g T::Entry> {
        let (entry, visible) = self.table.read(guard)?.get().find(key, guard)?;
        visible.get().then_some(entry)
    }

    /// Returns the current table. Callers must skip its hidden entries.
    pub fn table(&self) -> Option<RcuArc<T>> {
        let guard = rcu::read_lock();
        self.table.read(&guard).map(|table| table.to_arc())
    }

    /// Returns a number that grows with each change: see [`Stripes::version`].
    pub fn version(&self) -> u32 {
        self.stripes.version()
    }

    /// Returns the version after the changes in progress: see [`Stripes::next_version`].
    pub fn next_version(&self) -> u32 {
        self.stripes.next_version()
    }

    /// Applies all changes or none. No two changes have the same key. `on_applied` is called after the
    /// changes and before a further change of their keys, under the stripes' locks, so it must not sleep.
    /// May sleep before and after that if `flags` allow it: a writer whose stripe has a long backlog waits
    /// for a grace period.
    ///
    /// # Errors
    ///
    /// Returns [`ApplyError`] if a condition is not met, a limit is reached or memory is exhausted; the
    /// store is unchanged.
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

    /// Applies the changes with the locks of their stripes held. Returns the grace period that the caller
    /// has to wait for after it has released them.
    fn apply_locked<C: Condition<T::Entry>>(
        &self,
        stripes: StripeSet,
        changes: &mut [Change<'_, T, C>],
    ) -> Result<Option<GracePeriod>, ApplyError<C::Refusal>> {
        let guard = rcu::read_lock();
        // A flush needs the locks of all stripes, so the table stays the current one.
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

    /// Takes what a batch adds from the quotas.
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

    /// Gives the positive amounts back to the quotas.
    fn release(&self, growth: Growth, credit: &Credit) {
        self.entries.give(growth.entries, &credit.entries);
        self.bytes.give(growth.bytes, &credit.bytes);
    }

    /// Deletes all keys in one step by replacing the table with this empty one. Calls `on_applied` as
    /// [`Self::apply`] does. May sleep: waits for the current readers.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the store is unchanged.
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
        // Waits for a grace period, so without a lock. A list may hold a reference for longer.
        drop(replaced);
        Ok(())
    }
}

/// Checks all conditions and records which keys have entries.
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

/// Links the new keys of a batch as hidden entries, all or none.
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
