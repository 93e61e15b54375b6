// SPDX-License-Identifier: GPL-2.0-only

//! The calling process and its ancestors, which decide whose answer a reader gets.

use abstractions_task::current::for_each_ancestor;
use protocol::answers::{Lineage, Process, GENERATIONS};

/// Returns the lineage of the calling process. Does not sleep.
pub(crate) fn current_lineage() -> Lineage {
    let mut lineage: Option<Lineage> = None;
    let mut generations = 0;
    for_each_ancestor(|identity| {
        let process = Process {
            tgid: identity.tgid,
            start: identity.start_time,
        };
        match &mut lineage {
            Some(lineage) => lineage.push_parent(process),
            None => lineage = Some(Lineage::of(process)),
        }
        generations += 1;
        generations < GENERATIONS
    });
    // The calling process itself is always visited.
    lineage.unwrap_or_else(|| Lineage::of(Process { tgid: 0, start: 0 }))
}
