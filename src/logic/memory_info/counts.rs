// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of one set of processes.

/// Numbers of 4 KiB pages, and of classes of identical ones, in one set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Pages in all VMAs.
    pub total: u64,
    /// Pages whose page-table entry is present; at most `total`.
    pub valid: u64,
    /// Read-only pages that have at least one identical partner in the set.
    pub may_be_shared: u64,
    /// Classes of at least two identical read-only pages.
    pub nb_group: u64,
}

impl Counts {
    /// Returns the number of pages in VMAs that are not present.
    pub fn invalid(&self) -> u64 {
        self.total.saturating_sub(self.valid)
    }
}
