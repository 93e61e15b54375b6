// SPDX-License-Identifier: GPL-2.0-only

//! Mutants of the tables that the workers of a scan fill together.

use super::Mutant;
use crate::marker::Edit::{Part, Statement};

/// The mutants.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a frame is added by a plain store",
        edits: &[(
            "replace-word",
            Statement("{ self.place.store(new, Relaxed); Ok(()) }"),
        )],
        test: ("scan_tables", "neighbours_do_not_lose_each_other"),
        finds: "panicked",
    },
    Mutant {
        name: "a page that another worker has added is added again",
        edits: &[(
            "known-frame",
            Statement("return Ok(Inserted::New { fills });"),
        )],
        test: ("scan_tables", "a_page_that_two_meet_is_entered_once"),
        finds: "panicked",
    },
    Mutant {
        name: "a sample is split before its first page is entered by its content",
        edits: &[("enter-first-page", Statement(""))],
        test: ("scan_tables", "a_split_keeps_classes_together"),
        finds: "panicked",
    },
    Mutant {
        name: "the first page of a sample becomes its own follower",
        edits: &[("own-leader", Part("leader != pfn", "true"))],
        test: ("scan_tables", "a_split_from_both_sides"),
        finds: "panicked",
    },
    Mutant {
        name: "a page is compared with one that may not be visible in the set yet",
        edits: &[("acquire-entry", Part(".acquire()", ""))],
        test: ("scan_tables", "neighbours_do_not_lose_each_other"),
        finds: "frames.contains",
    },
];
