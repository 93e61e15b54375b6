// SPDX-License-Identifier: GPL-2.0-only

//! The tests of `vm_layout`, one file a group.

mod agreement;
mod faults;
mod input;
mod load;
mod unrest;

use crate::case::Case;

/// All of them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        agreement::CASES,
        load::CASES,
        input::CASES,
        unrest::CASES,
        faults::CASES,
    ]
    .into_iter()
    .flatten()
}
