// SPDX-License-Identifier: GPL-2.0-only

//! A snapshot of groups that readers look at without a lock while writers replace it.
//!
//! | may run concurrently | read | reset | delete |
//! |---|---|---|---|
//! | read | yes | yes: the reader sees the old snapshot or the new one | yes: the reader sees the group or not |
//! | reset | | shares a scan, or waits for one | scan: yes; publication: one after the other |
//! | delete | | | one after the other |

use crate::coalescer::{Coalescer, RunError, SharedFailure};
use crate::rcu::{self, Guard, RcuArc, RcuBox, RcuPointer, Retired};
use crate::wait_queue::WaitQueue;
use kernel::alloc::{AllocError, Flags};

/// A snapshot: groups that can be removed one by one while readers look at them.
pub trait Groups: Send + Sync + 'static {
    /// The key by which a group is found.
    type Key: ?Sized;

    /// Unlinks a group, so that later readers do not see it, and has it reclaimed after a grace period.
    /// Returns false if the snapshot has no such group. Calls are serialized. Must not sleep.
    fn remove(&self, key: &Self::Key) -> bool;
}

/// The published snapshot and its writers.
///
/// Readers follow an [`RcuPointer`]: they take no lock and wait for no writer, and a snapshot does not
/// change under them except that groups disappear. [`Self::reset`] builds a new snapshot aside and
/// publishes it in one step; a failed reset changes nothing. Resets are coalesced, so many at once share
/// a scan; [`Self::delete`] runs under the writers' lock, so that it never removes a group from a
/// snapshot that is being replaced.
pub struct Database<S, E, W> {
    published: RcuPointer<S>,
    writers: Coalescer<E, W>,
}

impl<S: Groups, E: SharedFailure, W: WaitQueue> Database<S, E, W> {
    /// Creates a database without a snapshot. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted.
    pub fn new(flags: Flags) -> Result<Self, AllocError> {
        Ok(Self {
            published: RcuPointer::empty(),
            writers: Coalescer::new(flags)?,
        })
    }

    /// Calls `look` with the current snapshot under the RCU read-side lock. Takes no other lock and does
    /// not wait; `look` must not sleep.
    pub fn read<R>(&self, look: impl FnOnce(Option<&S>, &Guard) -> R) -> R {
        let guard = rcu::read_lock();
        let snapshot = self.published.read(&guard);
        look(snapshot.as_ref().map(|snapshot| snapshot.get()), &guard)
    }

    /// Returns a counted reference to the current snapshot, for readers that take longer than a read-side
    /// lock may be held. Does not sleep.
    pub fn snapshot(&self) -> Option<RcuArc<S>> {
        let guard = rcu::read_lock();
        self.published
            .read(&guard)
            .map(|snapshot| snapshot.to_arc())
    }

    /// Replaces the snapshot by the result of a scan that begins after this call: the caller's `scan`,
    /// or that of another caller that waits at the same time. `reclaim` gets the old snapshot, which
    /// readers may still use. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`RunError`] if there was no such scan or it failed; the old snapshot stays published.
    pub fn reset(
        &self,
        scan: impl FnOnce() -> Result<RcuBox<S>, E>,
        reclaim: impl FnOnce(Retired<S>),
    ) -> Result<(), RunError<E>> {
        let replaced = self.writers.run(|| {
            // mutant: scan-before-publish
            let scanned = scan()?;
            Ok(self
                .writers
                .with_writer_lock(|| self.published.replace(Some(scanned))))
        })?;
        // After the run has ended: no other caller waits for the old snapshot's readers.
        if let Some(old) = replaced.flatten() {
            reclaim(old);
        }
        Ok(())
    }

    /// Removes a group from the current snapshot. Returns false if it has no group with this key. May
    /// sleep.
    pub fn delete(&self, key: &S::Key) -> bool {
        // No snapshot is published while the lock is held, so this one stays the current one.
        // mutant: exclusive-delete
        self.writers.with_writer_lock(|| {
            self.read(|snapshot, _| snapshot.is_some_and(|snapshot| snapshot.remove(key)))
        })
    }

    /// Ends waiting and running resets: see [`Coalescer::close`]. May sleep.
    pub fn close(&self) {
        self.writers.close();
    }

    /// Returns true after [`Self::close`]; a scan in progress should end early.
    pub fn is_closing(&self) -> bool {
        self.writers.is_closing()
    }
}
