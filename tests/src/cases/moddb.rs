// SPDX-License-Identifier: GPL-2.0-only

//! The tests of `moddb`, one file a group. What the store must hold is known from a map in the test.

mod at_random;
mod batches;
mod faults;
mod fuzz;
mod lifetime;
mod limits;
mod namespaces;
mod operations;
mod program;
mod races;
mod refusals;
mod watching;

use crate::case::Case;

/// All of them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        operations::CASES,
        at_random::CASES,
        batches::CASES,
        refusals::CASES,
        watching::CASES,
        races::CASES,
        namespaces::CASES,
        limits::CASES,
        lifetime::CASES,
        program::CASES,
        fuzz::CASES,
        faults::CASES,
    ]
    .into_iter()
    .flatten()
}
