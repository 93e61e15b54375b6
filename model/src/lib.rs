// SPDX-License-Identifier: GPL-2.0-only

//! The loom model of the locking protocol (`src/protocol`).
//!
//! The tests in `tests/` run the protocol's sources, unchanged, against the stand-in for the kernel
//! crate in `kernel/`. [`explore`] runs a test once for every interleaving of its threads in which no
//! thread is preempted more often than [`preemption_bound`] says.
//!
//! # A quick run
//!
//! ```text
//! cargo test --release -p model                         # 3 preemptions, with the mutants: minutes
//! LOOM_MAX_PREEMPTIONS=2 cargo test --release -p model  # seconds
//! ```
//!
//! With a bound below [`PREEMPTION_BOUND`] the test of the mutants is skipped: some of them need three
//! preemptions to be found.
//!
//! # Mutants
//!
//! `tests/mutants` shows that the tests find what they are meant to find. Each mutant is a deliberate
//! mistake in a copy of the protocol, made in the statement after a comment `// mutant: <marker>`, and
//! names the test that must fail. A new lock, ordering or wait in the protocol needs one.

use kernel::testing;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

pub mod queue;
pub mod snapshot;
pub mod table;

/// How often a thread may be preempted in one execution, by default. Switches at which the running
/// thread waits or ends are not preemptions and are not counted.
pub const PREEMPTION_BOUND: usize = 3;

/// The environment variable that sets another bound; loom's own.
pub const BOUND_VARIABLE: &str = "LOOM_MAX_PREEMPTIONS";

/// Loom's guard against endless loops: operations in one execution.
const MAX_OPERATIONS: usize = 20_000;

/// Returns how often a thread may be preempted in one execution: the value of [`BOUND_VARIABLE`], or
/// [`PREEMPTION_BOUND`] if it is not set.
///
/// # Panics
///
/// If the variable is not a number.
pub fn preemption_bound() -> usize {
    match std::env::var(BOUND_VARIABLE) {
        Ok(bound) => bound
            .parse()
            .unwrap_or_else(|_| panic!("{BOUND_VARIABLE}={bound}: must be a number")),
        Err(_) => PREEMPTION_BOUND,
    }
}

/// True if this is a quick run, with a bound below the default.
pub fn is_quick() -> bool {
    preemption_bound() < PREEMPTION_BOUND
}

/// Runs `test` in all executions within the bound and prints how many there were.
///
/// # Panics
///
/// If an execution fails, deadlocks, leaks memory, uses freed memory or lacks an ordering.
pub fn explore(test: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let begun = Instant::now();
    let bound = preemption_bound();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = MAX_OPERATIONS;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        testing::start_execution();
        test();
        testing::end_execution();
    });
    println!(
        "{} executions in {:.1?}, at most {bound} preemptions each",
        executions.load(Ordering::Relaxed),
        begun.elapsed()
    );
}
