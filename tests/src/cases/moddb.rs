// SPDX-License-Identifier: GPL-2.0-only

//! The tests of `moddb`. They compare the store with a map that the test keeps.

mod at_random;
mod batches;
mod errors;
mod faults;
mod fuzz;
mod lifetime;
mod limits;
mod namespaces;
mod operations;
mod program;
mod races;
mod watching;

use crate::case::Case;

/// The groups of tests in the order in which they run.
pub const GROUPS: &[&[Case]] = &[
    operations::CASES,
    at_random::CASES,
    batches::CASES,
    errors::CASES,
    watching::CASES,
    races::CASES,
    namespaces::CASES,
    limits::CASES,
    lifetime::CASES,
    program::CASES,
    fuzz::CASES,
    faults::CASES,
];
