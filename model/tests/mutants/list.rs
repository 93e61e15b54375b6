// SPDX-License-Identifier: GPL-2.0-only

//! The list of mutants, by the part of the protocol that they change.

mod database;
mod scan;
mod store;

use crate::marker::Edit;

/// One deliberate mistake.
pub struct Mutant {
    /// Says what is wrong with it.
    pub name: &'static str,
    /// The marked statements that it changes, and how.
    pub edits: &'static [(&'static str, Edit)],
    /// The file of tests and the test in it that must fail.
    pub test: (&'static str, &'static str),
    /// A text that the failing test prints.
    pub finds: &'static str,
}

/// Returns all mutants.
pub fn mutants() -> impl Iterator<Item = &'static Mutant> {
    [database::MUTANTS, scan::MUTANTS, store::MUTANTS]
        .into_iter()
        .flatten()
}
