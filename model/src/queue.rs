// SPDX-License-Identifier: GPL-2.0-only

//! The stand-in's queue of waiting tasks as the protocol's.

use kernel::alloc::{AllocError, Flags};
use kernel::testing::KillableQueue;
use logic::interrupted::Interrupted;
use protocol::wait_queue::WaitQueue;

/// A queue from which a test's signals take the waiting threads.
pub struct Queue(KillableQueue);

impl WaitQueue for Queue {
    fn new(_flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(KillableQueue::default()))
    }

    fn wait_killable(&self, is_over: impl Fn() -> bool) -> Result<(), Interrupted> {
        self.0.wait(is_over).then_some(()).ok_or(Interrupted)
    }

    fn wake_all(&self) {
        self.0.wake_all();
    }
}
