// SPDX-License-Identifier: GPL-2.0-only

//! A set of groups that readers look at without a lock while writers replace it.
//!
//! | may run beside | read | reset | delete |
//! |---|---|---|---|
//! | read | yes | yes: sees the old snapshot or the new one | yes: sees the group or not |
//! | reset | | shares a scan, or waits for one | the scan: yes; the publication: one after the other |
//! | delete | | | one after the other |

use crate::coalescer::{Coalescer, RunError, SharedFailure};
use crate::rcu::{self, Guard, RcuArc, RcuBox, RcuPointer, Retired};
use kernel::alloc::{AllocError, Flags};

/// What a snapshot must offer: removal of one group beside readers.
pub trait Groups: Send + Sync + 'static {
    /// By what a group is found.
    type Key: ?Sized;

    /// Unlinks a group, so that readers who begin afterwards do not see it, and has it reclaimed after
    /// a grace period. False if there is none. Called by one at a time; must not sleep.
    fn remove(&self, key: &Self::Key) -> bool;
}

/// The published snapshot and its writers.
pub struct Database<S, E> {
    published: RcuPointer<S>,
    writers: Coalescer<E>,
}

impl<S: Groups, E: SharedFailure> Database<S, E> {
    /// Nothing published yet. May sleep if `flags` do.
    ///
    /// # Errors
    ///
    /// Without memory.
    pub fn new(flags: Flags) -> Result<Self, AllocError> {
        Ok(Self {
            published: RcuPointer::empty(),
            writers: Coalescer::new(flags)?,
        })
    }

    /// Looks at the snapshot of this moment under the RCU read-side lock. Takes no other lock, waits
    /// for nobody; `look` must not sleep.
    pub fn read<R>(&self, look: impl FnOnce(Option<&S>, &Guard) -> R) -> R {
        let guard = rcu::read_lock();
        let snapshot = self.published.read(&guard);
        look(snapshot.as_ref().map(|snapshot| snapshot.get()), &guard)
    }

    /// The snapshot of this moment, to be looked at for longer than a read-side lock may be held.
    pub fn snapshot(&self) -> Option<RcuArc<S>> {
        let guard = rcu::read_lock();
        self.published
            .read(&guard)
            .map(|snapshot| snapshot.to_arc())
    }

    /// Replaces the snapshot by one that is scanned after this call began, by this caller or by
    /// another one who waits with it. `reclaim` gets the old one, which readers may still be looking
    /// at. May sleep.
    ///
    /// # Errors
    ///
    /// [`RunError`]; the old snapshot stays whole.
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
        // After the turn: nobody else needs to wait for the readers of before.
        if let Some(old) = replaced.flatten() {
            reclaim(old);
        }
        Ok(())
    }

    /// Removes a group from the snapshot of this moment. False if it has none of this key. May sleep.
    pub fn delete(&self, key: &S::Key) -> bool {
        // Under the mutex no snapshot is published meanwhile, so this one is the current one.
        // mutant: exclusive-delete
        self.writers.with_writer_lock(|| {
            self.read(|snapshot, _| snapshot.is_some_and(|snapshot| snapshot.remove(key)))
        })
    }

    /// Ends waiting and running resets: see [`Coalescer::close`].
    pub fn close(&self) {
        self.writers.close();
    }

    /// True after [`Self::close`]; a scan under way should give up.
    pub fn is_closing(&self) -> bool {
        self.writers.is_closing()
    }
}
