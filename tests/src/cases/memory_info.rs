// SPDX-License-Identifier: GPL-2.0-only

//! The tests of `memory_info`.

mod access;
mod answers;
mod churn_in_set;
mod descriptor;
mod errors;
mod exact_counts;
mod families;
mod faults;
mod files;
mod input;
mod killed_processes;
mod lifetime;
mod listing;
mod memory;
mod names;
mod page_references;
mod programs;
mod scale;
mod segments;
mod shared_tables;
mod signals;
mod small_machine;
mod stalls_nobody;
mod unprivileged;
mod unrest;

use crate::case::Case;

/// The groups of tests in the order in which they run.
pub const GROUPS: &[&[Case]] = &[
    listing::CASES,
    input::CASES,
    segments::CASES,
    names::CASES,
    programs::CASES,
    errors::CASES,
    signals::CASES,
    descriptor::CASES,
    answers::CASES,
    access::CASES,
    lifetime::CASES,
    memory::CASES,
    families::CASES,
    files::CASES,
    scale::CASES,
    unprivileged::CASES,
    unrest::CASES,
    killed_processes::CASES,
    page_references::CASES,
    exact_counts::CASES,
    churn_in_set::CASES,
    shared_tables::CASES,
    stalls_nobody::CASES,
    small_machine::CASES,
    faults::CASES,
];
