// SPDX-License-Identifier: GPL-2.0-only

//! The calling process and its ancestors, which decide whose answer a reader gets.

use abstractions_task::current::for_each_ancestor;
use protocol::lineage::{Ancestry, Process};

/// The calling process.
pub(crate) struct Caller;

impl Ancestry for Caller {
    fn walk(&self, mut visit: impl FnMut(Process) -> bool) {
        for_each_ancestor(|identity| {
            visit(Process {
                tgid: identity.tgid,
                start: identity.start_time,
            })
        });
    }
}
