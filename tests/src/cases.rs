// SPDX-License-Identifier: GPL-2.0-only

//! The tests: a folder for each module, a file for each group of tests.

mod broken;
mod memory_info;
mod moddb;
mod vm_layout;

use crate::case::Case;

/// Returns all tests in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [memory_info::GROUPS, vm_layout::GROUPS, moddb::GROUPS]
        .into_iter()
        .flatten()
        .copied()
        .flatten()
}

/// Returns tests that must not pass; the runner is tested with them.
pub fn broken() -> impl Iterator<Item = &'static Case> {
    broken::CASES.iter()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_unique_and_grouped() {
        let names: Vec<&str> = super::all().map(|case| case.name()).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(name.split("::").count() == 3, "{name}");
            assert!(!names[..index].contains(name), "{name} twice");
        }
    }
}
