// SPDX-License-Identifier: GPL-2.0-only

//! The tests of `vm_layout`.

mod agreement;
mod faults;
mod input;
mod load;
mod moment;
mod rights;
mod unrest;

use crate::case::Case;

/// The groups of tests in the order in which they run.
pub const GROUPS: &[&[Case]] = &[
    agreement::CASES,
    load::CASES,
    input::CASES,
    rights::CASES,
    moment::CASES,
    unrest::CASES,
    faults::CASES,
];
