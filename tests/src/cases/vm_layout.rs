//! The tests of `vm_layout`, one file a group.

mod agreement;
mod input;
mod load;

use crate::case::Case;

/// All of them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [agreement::CASES, load::CASES, input::CASES]
        .into_iter()
        .flatten()
}
