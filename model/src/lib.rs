// SPDX-License-Identifier: GPL-2.0-only

//! The loom model of the locking protocol (`src/protocol`): the tests in `tests/` run it through
//! every execution up to [`PREEMPTION_BOUND`].

use kernel::testing;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

pub mod snapshot;
pub mod table;

/// How often a thread may be preempted where it could have gone on, per execution. Switches that a
/// thread makes by itself (it waits, or ends) are not counted.
pub const PREEMPTION_BOUND: usize = 3;

/// Loom's guard against endless loops: operations in one execution.
const MAX_OPERATIONS: usize = 20_000;

/// Runs `test` through all executions within the bound, and says how many there were.
///
/// # Panics
///
/// If one of them fails, deadlocks, leaks memory, uses freed memory or lacks an ordering.
pub fn explore(test: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let begun = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTION_BOUND);
    builder.max_branches = MAX_OPERATIONS;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        testing::start_execution();
        test();
        testing::end_execution();
    });
    println!(
        "{} executions in {:.1?}, at most {PREEMPTION_BOUND} preemptions each",
        executions.load(Ordering::Relaxed),
        begun.elapsed()
    );
}
