// SPDX-License-Identifier: GPL-2.0-only

//! The tests of `memory_info`.

mod access;
mod answers;
mod descriptor;
mod errors;
mod families;
mod faults;
mod files;
mod input;
mod lifetime;
mod listing;
mod memory;
mod names;
mod programs;
mod scale;
mod segments;
mod signals;
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
    faults::CASES,
];
