// SPDX-License-Identifier: GPL-2.0-only

//! Mutants of the scan's work stealing and of its lock-free tables.

use super::Mutant;
use crate::marker::Edit::{After, Before, Part, Statement};

/// The mutants of the files in scan/.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a frame is added by a plain store",
        edits: &[(
            "replace-word",
            Statement("{ self.slot.store(new, Relaxed); Ok(()) }"),
        )],
        test: ("scan_tables", "neighbours_do_not_lose_each_other"),
        finds: "panicked",
    },
    Mutant {
        name: "a page that another worker has added is added again",
        edits: &[(
            "known-frame",
            Statement("return Ok(Inserted::New { took_new_word });"),
        )],
        test: (
            "scan_tables",
            "a_page_that_two_workers_meet_is_entered_once",
        ),
        finds: "panicked",
    },
    Mutant {
        name: "the first page of a sample becomes its own follower",
        edits: &[("own-leader", Part("page.index == Some(index)", "false"))],
        test: ("scan_tables", "a_split_from_both_sides"),
        finds: "panicked",
    },
    Mutant {
        name: "a page is compared with one that may not be visible in the set yet",
        edits: &[("acquire-entry", Part(".acquire()", ""))],
        test: ("scan_tables", "neighbours_do_not_lose_each_other"),
        finds: "panicked",
    },
    Mutant {
        name: "two workers take the same block of records",
        edits: &[(
            "take-block",
            Part(
                "fetch_add(1, Relaxed)",
                "load(Relaxed); self.taken.store(number + 1, Relaxed)",
            ),
        )],
        test: ("scan_tables", "neighbours_do_not_lose_each_other"),
        finds: "panicked",
    },
    Mutant {
        name: "a leader that replaced another may not be visible yet",
        edits: &[("acquire-word", Part("Acquire", "Relaxed"))],
        test: ("scan_tables", "a_lost_leader_is_replaced_once"),
        finds: "panicked",
    },
    Mutant {
        name: "a lost leader is replaced though another worker did",
        edits: &[(
            "replace-lost-leader",
            Part(
                "self.records.replace_word(found.class, found.word, new)",
                "{ self.records.replace_word(found.class, found.word, new); true }",
            ),
        )],
        test: ("scan_tables", "a_lost_leader_is_replaced_once"),
        finds: "panicked",
    },
    Mutant {
        name: "a lost first page stands for its sample for ever",
        edits: &[("replace-lost-first", Before("return Ok(());"))],
        test: ("scan_tables", "a_lost_first_page_is_replaced_once"),
        finds: "panicked",
    },
    Mutant {
        name: "idle workers are not woken when a set is shared",
        edits: &[("wake-thieves", Statement(""))],
        test: ("work_stealing", "an_idle_worker_wakes_when_a_set_is_shared"),
        finds: "deadlock",
    },
    Mutant {
        name: "an offer is not counted",
        edits: &[("count-offer", Statement(""))],
        test: ("work_stealing", "an_idle_worker_wakes_when_a_set_is_shared"),
        finds: "deadlock",
    },
    Mutant {
        name: "offers are counted after the look at the queues",
        edits: &[
            ("count-before-look", Statement("")),
            (
                "look-at-queues",
                After("let offers = self.idle.lock().offers;"),
            ),
        ],
        test: ("work_stealing", "an_idle_worker_wakes_when_a_set_is_shared"),
        finds: "deadlock",
    },
    Mutant {
        name: "an idle worker does not wait for owners",
        edits: &[("owners-left", Part("idle.owners_left == 0", "true"))],
        test: ("work_stealing", "an_idle_worker_wakes_when_a_set_is_shared"),
        finds: "deadlock",
    },
    Mutant {
        name: "no idle worker is woken when the last owner has finished",
        edits: &[("wake-without-owners", Statement(""))],
        test: ("work_stealing", "every_worker_returns_when_no_work_is_left"),
        finds: "deadlock",
    },
    Mutant {
        name: "only one idle worker is woken when the last owner has finished",
        edits: &[("wake-without-owners", Part("notify_all", "notify_one"))],
        test: (
            "work_stealing",
            "every_idle_worker_wakes_when_no_work_is_left",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "a set is finished before its last chunk has reported",
        edits: &[("wait-for-reports", Part("state.claimed == 0", "true"))],
        test: (
            "work_stealing",
            "a_set_is_finished_after_all_its_chunks_have_reported",
        ),
        finds: "finished before all chunks have reported",
    },
    Mutant {
        name: "a set is finished though a part of it was given back",
        edits: &[("rest-before-end", Statement("let has_more = false;"))],
        test: ("work_stealing", "a_part_that_was_given_back_is_run"),
        finds: "panicked",
    },
    Mutant {
        name: "an idle worker is not told of a part that was given back",
        edits: &[("offer-rest", Statement(""))],
        test: (
            "work_stealing",
            "an_idle_worker_wakes_when_a_part_is_given_back",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "an owner that waits is not told of a part that was given back",
        edits: &[("wake-owner", Statement(""))],
        test: (
            "work_stealing",
            "an_idle_worker_wakes_when_a_part_is_given_back",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "an owner is not woken by the last report",
        edits: &[("all-reported", Statement(""))],
        test: (
            "work_stealing",
            "a_set_is_finished_after_all_its_chunks_have_reported",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "a failed chunk is not reported",
        edits: &[(
            "report-failed-chunk",
            Before("if let Err(error) = &report { work.fail(*error); continue; }"),
        )],
        test: (
            "work_stealing",
            "a_failed_chunk_is_reported_and_every_worker_returns",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "two workers begin the same set",
        edits: &[(
            "next-set",
            Part(
                "fetch_add(1, Relaxed)",
                "load(Relaxed); self.next_set.store(number + 1, Relaxed)",
            ),
        )],
        test: ("work_stealing", "no_chunk_is_lost_or_run_twice"),
        finds: "each chunk is run once",
    },
    Mutant {
        name: "a failure does not stop the other workers",
        edits: &[("tell-others", Statement(""))],
        test: ("work_stealing", "nothing_is_begun_after_a_failure"),
        finds: "panicked",
    },
    Mutant {
        name: "a later failure replaces the first",
        edits: &[(
            "first-failure",
            Statement("*self.failure.lock() = Some(error);"),
        )],
        test: ("work_stealing", "the_first_failure_is_kept"),
        finds: "panicked",
    },
];
