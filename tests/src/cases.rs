// SPDX-License-Identifier: GPL-2.0-only

//! All tests, one file a group.

pub mod access;
mod answers;
mod broken;
mod descriptor;
mod errors;
mod families;
pub mod faults;
mod files;
mod input;
mod lifetime;
mod listing;
mod memory;
mod moddb;
mod names;
mod scale;
mod unprivileged;
mod unrest;
mod vm_layout;

use crate::case::Case;

/// All tests in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        listing::CASES,
        input::CASES,
        names::CASES,
        errors::CASES,
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
    ]
    .into_iter()
    .flatten()
    .chain(vm_layout::cases())
    .chain(moddb::cases())
}

/// Tests that must not pass, by which the runner is checked.
pub fn broken() -> impl Iterator<Item = &'static Case> {
    broken::CASES.iter()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_unique_and_grouped() {
        let names: Vec<&str> = super::all().map(|case| case.name).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(name.split("::").count() == 2, "{name}");
            assert!(!names[..index].contains(name), "{name} twice");
        }
    }
}
